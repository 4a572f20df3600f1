"""`sealift`: the group of all commands, and what its help says of them together."""

import importlib.metadata

import click

from .completion import completion
from .demo import demo
from .exit_codes import EXIT_CODES, USAGE
from .look import cat, ls, stat
from .options import storage_options
from .program import Program
from .rm import rm
from .transfer import cp, sync

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
Credentials for s3:// are found as the AWS command line finds them:
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ~/.aws, roles.
"""


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        try:
            version = importlib.metadata.version("sealift")
        except importlib.metadata.PackageNotFoundError:
            version = "(not installed)"
        click.echo(f"sealift {version}")
        ctx.exit()


@click.group(
    cls=Program,
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
    """Move model artifacts between object stores and disks.

    The options may stand before a command's name or behind it.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


for command in (cp, sync, ls, stat, cat, rm, completion, demo):
    main.add_command(command)
