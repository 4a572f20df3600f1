"""The options of `cp`, `mv` and `sync` for what is stored with the objects that they write; named as in the aws CLI."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..types.write_options import WriteOptions
from .settings import Settings

__all__ = ["chosen_options", "write_options"]

F = TypeVar("F", bound=Callable[..., Any])


def _pairs(texts: tuple[str, ...]) -> dict[str, str] | None:
    """Convert KEY=VALUE arguments, each perhaps several that are separated by commas."""
    pairs: dict[str, str] = {}
    for text in texts:
        for pair in text.split(","):
            name, separator, value = pair.partition("=")
            if not name or not separator:
                raise click.BadParameter(f"{pair!r} is not KEY=VALUE")
            pairs[name] = value
    return pairs or None


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if param.multiple:
        value = _pairs(value)
    if value is not None and param.name is not None:
        ctx.ensure_object(Settings).written[param.name] = value


def _option(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_store, **attributes)


# Each stores its value under the name of an argument of `WriteOptions`.
_OPTIONS = (
    _option(
        "--content-type",
        metavar="TYPE",
        help="Content-Type of the objects.  [default: that of SRC, or by the extension of the name]",
    ),
    _option("--content-encoding", metavar="CODING", help="Content-Encoding of the objects, such as gzip."),
    _option("--content-language", metavar="LANGUAGE", help="Content-Language of the objects."),
    _option("--content-disposition", metavar="TEXT", help="Content-Disposition of the objects."),
    _option("--cache-control", metavar="TEXT", help="Cache-Control of the objects, such as max-age=3600."),
    _option("--expires", metavar="DATE", help="Expires header of the objects, an HTTP date. S3 only."),
    _option(
        "--metadata",
        metavar="KEY=VALUE,...",
        multiple=True,
        help="User metadata of the objects, instead of that of SRC. Can be repeated.",
    ),
    _option(
        "--tag",
        "tags",
        metavar="KEY=VALUE,...",
        multiple=True,
        help="Tags of the objects, instead of those of SRC. Can be repeated. S3 and Azure.",
    ),
    _option(
        "--storage-class",
        metavar="CLASS",
        help="Storage class, such as STANDARD_IA (S3), NEARLINE (Google) or Cool (Azure: access tier).",
    ),
    _option("--acl", metavar="ACL", help="Canned ACL (S3) or predefined ACL (Google) of the objects."),
    _option("--sse", metavar="ALGORITHM", help="Server-side encryption: AES256, aws:kms or aws:kms:dsse. S3 only."),
    _option(
        "--sse-kms-key-id",
        "kms_key_id",
        metavar="ID",
        help="KMS key: its ID, ARN or alias (S3), or its resource name (Google).",
    ),
    _option("--encryption-scope", metavar="NAME", help="Encryption scope of the objects. Azure only."),
)


def write_options(command: F) -> F:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_options(settings: Settings) -> WriteOptions | None:
    """The options that were given; None: none.

    Raises:
        InvalidConfig: A value cannot be sent.
    """
    return WriteOptions(**settings.written) if settings.written else None
