"""The `sealift` command group: the list of commands, and its help page."""

import importlib.metadata

import click

from .cat import cat
from .completion import completion
from .cp import cp
from .demo import demo
from .doctor import doctor
from .exit_codes import EXIT_CODES, USAGE
from .ls import ls
from .options import storage_options
from .rm import rm
from .run import CommandGroup
from .stat import stat
from .sync import sync

__all__ = ["main"]

_EXAMPLES = """\b
Examples:
  sealift cp s3://ml-models/iris/model.joblib .
  sealift cp -r s3://ml-models/llama/ /mnt/models/llama --exclude '*.bin'
  sealift cp -r ./llama s3://ml-models/llama
  sealift sync --delete s3://ml-models/llama s3://backup/llama
  sealift ls s3://ml-models/
  sealift demo
"""
_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())
_CREDENTIALS = """\b
Credentials for s3:// are resolved in the order of the AWS command line:
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ~/.aws, roles.
"""


def _print_version(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:
        try:
            version = importlib.metadata.version("sealift")
        except importlib.metadata.PackageNotFoundError:
            version = "(not installed)"
        click.echo(f"sealift {version}")
        ctx.exit()


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    epilog=f"{_EXAMPLES}\n{_CREDENTIALS}\n{_CODES}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
@storage_options
@click.pass_context
def main(ctx: click.Context) -> None:
    """Copy model artifacts between object stores, hubs and disks.

    These options can be given before or after the name of the command.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


for command in (cp, sync, ls, stat, cat, rm, doctor, completion, demo):
    main.add_command(command)
