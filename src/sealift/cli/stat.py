"""`sealift stat`."""

import os
from datetime import datetime
from typing import Any

import click

from .formatting import json_line
from .option_groups import Command
from .options import files_and_uris, json_option, storage_options, timeout_option
from .run import run
from .settings import Settings
from .stdout import print_line
from .units import count, size

__all__ = ["stat"]


@click.command(
    cls=Command,
    short_help="Show the metadata of an object.",
    epilog="""\b
Examples:
  sealift stat s3://ml-models/iris/model.joblib
  sealift stat --json s3://ml-models/iris/model.joblib | jq .size
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@json_option
@timeout_option
@storage_options
@click.pass_obj
def stat(settings: Settings, uri: str) -> None:
    """Show the metadata of an object: size, modification time, ETag, checksums, headers, user metadata and tags.

    For a prefix, shows that it is a prefix. With --json, unknown values are null.
    """
    storage, config = settings.storage(), settings.config(uri, os.environ)
    metadata = run(lambda: storage.get_object_metadata(uri, config=config, timeout=settings.timeout))
    if settings.as_json:
        print_line(json_line(**metadata))
        return
    for name, value in metadata.items():
        if value not in (None, {}):
            print_line(f"{name.replace('_', ' '):<19} {_readable(name, value)}")


def _readable(name: str, value: Any) -> str:
    if name == "size":
        return f"{count(value, 'byte')} ({size(value)})" if value >= 1000 else count(value, "byte")
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return str(value)
