"""`sealift doctor`."""

import os
from contextlib import aclosing
from dataclasses import replace
from importlib.metadata import version

import click

from ..errors import StorageError
from ..uri import parse
from .advice import error_text
from .escaping import printable
from .formatting import json_line
from .option_groups import Command
from .options import files_and_uris, json_option, storage_options
from .run import run
from .settings import Settings

__all__ = ["doctor"]

# Seconds for which each request is tried, unless --patience or SEALIFT_PATIENCE says otherwise.
_PATIENCE = 5.0
_WIDTH = 15


@click.command(
    cls=Command,
    short_help="Show how a URI is accessed, and what is wrong.",
    epilog="""\b
Examples:
  sealift doctor s3://ml-models/llama/
  sealift doctor --profile onprem --endpoint-url http://127.0.0.1:9000 s3://models/llama/config.json
  sealift doctor --json hf://openai-community/gpt2 | jq .
""",
)
@click.argument("uri", shell_complete=files_and_uris)
@json_option
@storage_options
@click.pass_obj
def doctor(settings: Settings, uri: str) -> None:
    """Show the configuration that is used for URI and where it comes from, and check that URI can be read.

    Checks whether the server answers, whether the clock of this machine is right, and whether the object or the first
    object under the prefix can be listed and read (one byte). Secrets are not shown. Prints one line for each finding;
    the exit code is that of the first failure.
    """
    location, config = parse(uri), settings.config(uri, os.environ)
    if settings.patience is None and not os.environ.get("SEALIFT_PATIENCE", "").strip():
        settings = replace(settings, patience=_PATIENCE)
    limits = settings.limits()
    failures: list[Exception] = []

    async def diagnose() -> None:
        from ..instance import Instance  # noqa: PLC0415 - keeps --help fast
        from ..operations.diagnosis import diagnose  # noqa: PLC0415

        async with Instance(limits) as instance, aclosing(diagnose(location, config, instance)) as findings:
            async for finding in findings:
                error = finding.error
                detail = error_text(error) if isinstance(error, StorageError) else finding.detail
                _print(settings, finding.check, detail, ok=error is None)
                if finding.error is not None:
                    failures.append(finding.error)

    _print(settings, "sealift", version("sealift"))
    _print(settings, "URI", f"{location} ({location.scheme}://)")
    run(diagnose)
    if failures:
        raise failures[0]


def _print(settings: Settings, check: str, detail: str, *, ok: bool = True) -> None:
    if settings.as_json:
        click.echo(json_line(check=check, detail=detail, ok=ok))
    else:
        click.echo(printable(f"{'ok' if ok else 'FAILED':<7}{check:<{_WIDTH}} {detail}"))
