"""`sealift presign`."""

import os
from typing import Literal

import click

from .option_groups import Command
from .options import files_and_uris, storage_options, timeout_option
from .run import run
from .settings import Settings

__all__ = ["presign"]


@click.command(
    cls=Command,
    short_help="Print a URL that gives access to an object.",
    epilog="""\b
Examples:
  sealift presign s3://ml-models/iris/model.joblib
  curl "$(sealift presign --expires-in 600 s3://ml-models/iris/model.joblib)" > model.joblib
  curl -T model.joblib "$(sealift presign --method PUT s3://ml-models/iris/model.joblib)"
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@click.option(
    "--method",
    type=click.Choice(["GET", "PUT"]),
    default="GET",
    show_default=True,
    help="What the URL allows: to read the object (GET), or to write it (PUT).",
)
@click.option(
    "--expires-in",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    default=3600,
    show_default=True,
    help="How long the URL is valid; at most a week for most services.",
)
@timeout_option
@storage_options
@click.pass_obj
def presign(settings: Settings, uri: str, *, method: Literal["GET", "PUT"], expires_in: int) -> None:
    """Print a URL with which anyone can read or write the object at URI for a limited time, without credentials.

    Nothing is checked: the object need not exist, and the credentials may lack the permission. A PUT to Azure needs the
    header x-ms-blob-type: BlockBlob.
    """
    storage, config = settings.storage(), settings.config(uri, os.environ)
    click.echo(run(lambda: storage.presign(uri, method, expires_in, config=config, timeout=settings.timeout)))
