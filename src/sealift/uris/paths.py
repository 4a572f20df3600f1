"""file:// URIs and plain local paths."""

import os.path
from urllib.parse import quote, unquote

from ..errors import InvalidURI
from .file_names import encoding_hint, why_unencodable
from .location import Location
from .redaction import holds_credentials, redacted

__all__ = ["parse_file", "parse_path"]

_FORM = "file:///path"


def parse_file(text: str, rest: str) -> Location:
    """Parse a file URI.

    Args:
        text: The whole URI.
        rest: The part after "file://": the host, then the percent-encoded path.

    Raises:
        InvalidURI: The URI names another machine, or has a query or a fragment.
    """
    host, slash, path = rest.partition("/")
    if host.lower() not in {"", "localhost"}:
        name = "…" if holds_credentials(rest) else repr(host)
        raise InvalidURI(f"a file URI cannot name a host, but this one names {name}", hint=_FORM, uri=redacted(text))
    if not slash:
        raise InvalidURI("the path is missing", hint=_FORM, uri=text)
    for part in ("?", "#"):
        if part in path:
            hint = f"write {quote(part)} for a {part} in a file name"
            raise InvalidURI(
                f"a file URI cannot have a {'query' if part == '?' else 'fragment'}", hint=hint, uri=redacted(text)
            )
    decoded = unquote(path, errors="surrogateescape")
    if "\0" in decoded:
        raise InvalidURI("a path cannot contain a NUL character", uri=text)
    return parse_path(f"/{decoded}")


def parse_path(path: str) -> Location:
    """Parse a local path; relative paths are resolved against the working directory, "~" is the home directory.

    Raises:
        InvalidURI: The encoding of file names does not have a character of the path.
    """
    if (unencodable := why_unencodable(path)) is not None:
        raise InvalidURI(f"the path {path!r} {unencodable}", hint=encoding_hint())
    absolute = os.path.abspath(os.path.expanduser(path) if path.startswith("~") else path)
    key = absolute.lstrip("/")
    return Location("file", "/", f"{key}/" if path.endswith("/") and key else key)
