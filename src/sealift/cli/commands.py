"""The `sealift` command group: the list of commands, and its help page."""

import click

from ..version import __version__
from .cache import cache
from .cat import cat
from .completion import completion
from .config import config
from .cp import cp
from .demo import demo
from .doctor import doctor
from .du import du
from .exit_codes import EXIT_CODES, USAGE
from .ls import ls
from .mv import mv
from .options import storage_options
from .presign import presign
from .rm import rm
from .run import CommandGroup
from .stat import stat
from .sync import sync
from .tensors import tensors
from .verify import verify

__all__ = ["main"]

_EXAMPLES = """\b
Examples:
  sealift cp s3://ml-models/iris/model.joblib .
  sealift cp -r s3://ml-models/llama/ /mnt/models/llama --exclude '*.bin'
  sealift cp -r ./llama s3://ml-models/llama
  sealift sync --delete s3://ml-models/llama s3://backup/llama
  sealift ls s3://ml-models/
  sealift du -h s3://ml-models/llama
  sealift demo
"""
_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())
_CREDENTIALS = """\b
Credentials for s3:// are resolved in the order of the AWS command line:
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ~/.aws, roles.
"""
_LIMITS = """\b
Environment variables set other defaults: SEALIFT_MEMORY, SEALIFT_CONNECTIONS,
SEALIFT_PER_HOST, SEALIFT_PATIENCE, SEALIFT_ATTEMPTS, SEALIFT_PART_SIZE …
Options take precedence.
"""


def _print_version(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:
        click.echo(f"sealift {__version__}")
        ctx.exit()


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    epilog=f"{_EXAMPLES}\n{_CREDENTIALS}\n{_LIMITS}\n{_CODES}",
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


for command in (cp, mv, sync, ls, du, stat, cat, presign, rm, tensors, cache, verify, doctor, config, completion, demo):
    main.add_command(command)
