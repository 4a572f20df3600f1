"""`sealift demo`."""

import click

from .options import Settings, byte_size

__all__ = ["demo"]


@click.command(
    short_help="Show it all on this machine.",
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
    help="Bytes of weights to move.",
)
@click.option("--keep", is_flag=True, help="Keep the server running until Ctrl-C, to try commands against it.")
@click.pass_obj
def demo(settings: Settings, amount: int, *, keep: bool) -> None:
    """Move a model from an object store to disk, on this machine, and show that it works.

    Starts an embedded S3 server, trains a small scikit-learn model, puts it and a directory of random weights there,
    downloads both, verifies every byte, and predicts with the model. Everything lives in a temporary directory, which
    needs about three times --size, and is gone at the end. Needs: python -m pip install "sealift[demo]"
    """
    from ..demo.report import DemoError  # noqa: PLC0415 - not for the other commands
    from ..demo.run import run  # noqa: PLC0415

    if settings != Settings(verbose=settings.verbose):
        raise click.UsageError("the demo has its own server and takes none of the storage options")
    try:
        run(amount, keep=keep)
    except DemoError as error:
        raise click.ClickException(str(error)) from error
