"""`sealift cp`, `ls`, `stat` and `demo`: the arguments of each, and what it prints."""

import asyncio
import importlib.metadata
import json
import os
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import click

from ..loop import loop_factory
from ..types import Event
from ..uri import parse
from .exits import EXIT_CODES, USAGE
from .options import Settings, byte_size, storage_options
from .program import Program
from .progress import Bar, Lines, Tally, shown
from .units import count, size

__all__ = ["main"]

T = TypeVar("T")

_EXAMPLES = """\b
Examples:
  sealift cp s3://ml-models/iris/model.joblib .
  sealift cp s3://ml-models/llama/ /mnt/models/llama --exclude '*.bin'
  sealift ls s3://ml-models/
  sealift demo
"""
_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())
_CREDENTIALS = """\b
Credentials for s3:// are found as the AWS command line finds them:
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ~/.aws, roles.
"""


def _run(verb: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop of our own. Ctrl-C cancels it and waits for its cleanup; a second one does not wait."""
    with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
        return runner.run(verb())


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


@main.command(
    short_help="Copy objects to the local disk.",
    epilog="""\b
Examples:
  sealift cp s3://ml-models/iris/model.joblib .            one object, into this directory
  sealift cp s3://ml-models/iris/model.joblib iris.joblib  under another name
  sealift cp s3://ml-models/llama/ /mnt/models/llama       all objects below llama/
  sealift cp s3://ml-models/llama/ llama --include '*.safetensors' --include '*.json'
  sealift cp --no-sign-request s3://public-bucket/model.onnx .
  sealift cp --endpoint-url http://127.0.0.1:9000 --memory 64MiB s3://models/big.bin /tmp/
""",
)
@click.argument("uri")
@click.argument("dest")
@click.option(
    "--include", multiple=True, metavar="PATTERN", help="Only paths that match, such as '*.json'. May be repeated."
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No paths that match. May be repeated.")
@storage_options
@click.pass_obj
def cp(settings: Settings, uri: str, dest: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    """Copy an object, or all objects below a prefix, to the local disk.

    An object: DEST is the file, or the directory that receives it if it ends in "/" or is one. A prefix: DEST is the
    directory that receives the objects under their paths relative to the prefix; the patterns (* ? [abc], where * takes
    "/" too) are compared with those paths. A file appears under its name when it is whole and verified; a directory
    that did not exist appears as a whole.

    Prints DEST's path on stdout; progress and a summary go to stderr.
    """
    target, config = _local_path(dest), settings.config(uri, os.environ)
    storage, tally = settings.storage(), Tally()

    async def copy() -> str:
        async with shown(tally) as display:

            def on_event(event: Event) -> None:
                tally.add(event)
                if settings.verbose:
                    _tell(display, event)

            return await storage.download(
                uri, target, config, allow_patterns=include or None, ignore_patterns=exclude or None, on_event=on_event
            )

    start = time.monotonic()
    path = _run(copy)
    seconds = time.monotonic() - start
    moved = f"{count(tally.finished, 'object')}, {size(tally.done)}"
    click.echo(f"copied {moved} in {seconds:.2f} s, {size(tally.done / seconds)}/s", err=True)
    click.echo(os.fsencode(path))


def _local_path(dest: str) -> str:
    location = parse(dest)
    if location.scheme != "file":
        raise click.UsageError(f"DEST is a local path; sealift cannot write to {location.scheme}:// yet")
    return f"/{location.key}" if "://" in dest else dest


def _tell(display: Bar | Lines, event: Event) -> None:
    if event.kind == "object":
        display.say(f"{event.key}: {size(event.size)}, verified: {event.verified}")
    elif event.kind == "retry":
        display.say(f"{event.key}: again in {event.delay:.1f} s: {event.error}")


@main.command(
    short_help="List the objects below a prefix.",
    epilog="""\b
Examples:
  sealift ls s3://ml-models/
  sealift ls s3://ml-models/llama/ | grep safetensors
""",
)
@click.argument("uri")
@storage_options
@click.pass_obj
def ls(settings: Settings, uri: str) -> None:
    """List the objects below a prefix, one path relative to URI a line; of an object its name."""
    storage, config = settings.storage(), settings.config(uri, os.environ)
    names = _run(lambda: storage.list_objects(uri, config))
    click.echo(b"".join(os.fsencode(f"{name}\n") for name in names), nl=False)


@main.command(
    short_help="Tell what is known of an object.",
    epilog="""\b
Examples:
  sealift stat s3://ml-models/iris/model.joblib
  sealift stat --json s3://ml-models/iris/model.joblib | jq .size
""",
)
@click.argument("uri")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; what is not known is null.")
@storage_options
@click.pass_obj
def stat(settings: Settings, uri: str, *, as_json: bool) -> None:
    """Tell what is known of an object: size, time, ETag, checksums …; of a prefix, that it is one."""
    storage, config = settings.storage(), settings.config(uri, os.environ)
    found = _run(lambda: storage.get_object_metadata(uri, config))
    if as_json:
        click.echo(json.dumps(found, default=datetime.isoformat))
        return
    for name, value in found.items():
        if value not in (None, {}):
            click.echo(f"{name.replace('_', ' '):<14} {_readable(name, value)}")


def _readable(name: str, value: Any) -> str:
    if name == "size":
        return f"{count(value, 'byte')} ({size(value)})" if value >= 1000 else count(value, "byte")
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return str(value)


@main.command(
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
