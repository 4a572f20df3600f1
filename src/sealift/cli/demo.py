"""`sealift demo`."""

import click

from .option_groups import Command
from .options import byte_size
from .settings import Settings

__all__ = ["demo"]


@click.command(
    cls=Command,
    short_help="Show sealift at work on this machine.",
    epilog="""\b
Examples:
  sealift demo
  sealift demo --size 2GB
  sealift demo --keep      then try the commands that it prints
""",
)
@click.option(
    "--size",
    "amount",
    type=byte_size,
    metavar="SIZE",
    default="256MB",
    show_default=True,
    help="Size of the weights to transfer.",
)
@click.option("--keep", is_flag=True, help="Keep the server running until Ctrl-C, to try commands against it.")
@click.pass_obj
def demo(settings: Settings, amount: int, *, keep: bool) -> None:
    """Move a model from an object store to disk on this machine, and verify it.

    Starts an embedded S3 server, trains a small scikit-learn model, uploads it together with a directory of random
    weights, downloads both, verifies every byte, and predicts with the model. All files are in a temporary directory,
    which needs about three times --size and is removed at the end. Requires: python -m pip install "sealift[demo]"
    """
    from ..demo.report import DemoError  # noqa: PLC0415 - only this command needs the demo
    from ..demo.run import run  # noqa: PLC0415

    if settings != Settings(verbose=settings.verbose):
        raise click.UsageError("the demo starts its own server and accepts no storage options")
    try:
        run(amount, keep=keep)
    except DemoError as error:
        raise click.ClickException(str(error)) from error
