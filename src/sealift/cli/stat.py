"""`sealift stat`."""

import os
from datetime import datetime
from typing import Any

import click

from ..progress.units import count, size
from .formatting import json_line
from .options import files_and_uris, storage_options, timeout_option
from .run import run
from .settings import Settings

__all__ = ["stat"]


@click.command(
    short_help="Show the metadata of an object.",
    epilog="""\b
Examples:
  sealift stat s3://ml-models/iris/model.joblib
  sealift stat --json s3://ml-models/iris/model.joblib | jq .size
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; unknown values are null.")
@timeout_option
@storage_options
@click.pass_obj
def stat(settings: Settings, uri: str, *, as_json: bool) -> None:
    """Show the metadata of an object: size, modification time, ETag, checksums, headers, user metadata and tags.

    For a prefix, shows that it is a prefix.
    """
    storage, config = settings.storage(), settings.config(uri, os.environ)
    metadata = run(lambda: storage.get_object_metadata(uri, config=config, timeout=settings.timeout))
    if as_json:
        click.echo(json_line(**metadata))
        return
    for name, value in metadata.items():
        if value not in (None, {}):
            click.echo(f"{name.replace('_', ' '):<19} {_readable(name, value)}")


def _readable(name: str, value: Any) -> str:
    if name == "size":
        return f"{count(value, 'byte')} ({size(value)})" if value >= 1000 else count(value, "byte")
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return str(value)
