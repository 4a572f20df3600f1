"""Parse HTTP responses and errors. https://www.rfc-editor.org/rfc/rfc9110"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from ...errors import AccessDenied, ModelMissingError, ObjectChanged, ServiceError, StorageError, TransportError
from ...types import ObjectInfo
from ...types.properties import Properties, from_headers
from ...wire import Response, check_range
from ...wire.service_message import with_request_ids
from . import filenames

__all__ = [
    "codings",
    "error",
    "is_page",
    "length",
    "object_info",
    "of_whole",
    "pinned",
    "same_version",
    "stored_coding",
    "version",
    "whole",
]

# Characters allowed in a request header.
_STRONG_TAG = re.compile(r'"[\x20\x21\x23-\x7e]+"')
_WEAK_TAG = re.compile(r'W/"[\x20\x21\x23-\x7e]+"')
_UNQUOTED_TAG = re.compile(r"[\x21\x23-\x2b\x2d-\x7e]+")
# aws-chunked describes how an object was uploaded to S3, not its content. The others are no encodings, but found as the
# metadata of objects that were uploaded with a mistake.
_NO_CODING = {"", "identity", "aws-chunked", "none", "null", "binary", "utf-8", "utf8", "us-ascii", "iso-8859-1"}
# Ends of file names → the encoding of such files, which a server may send as their Content-Encoding.
_STORED = {
    ".gz": "gzip", ".tgz": "gzip", ".gzip": "gzip", ".svgz": "gzip", ".z": "compress", ".zst": "zstd", ".tzst": "zstd",
    ".br": "br", ".bz2": "bzip2", ".tbz2": "bzip2", ".xz": "xz", ".txz": "xz", ".zlib": "deflate",
}  # fmt: skip
_PAGES = {"text/html", "application/xhtml+xml"}


def object_info(key: str, reply: Response) -> ObjectInfo:
    """Parse the headers of the response to a HEAD or GET.

    `ranged` requires an ETag that pins ranges to one version of the file, and a body that is not encoded.
    """
    path, disposition = filenames.of_path(key), reply.header("content-disposition")
    name = path if disposition is None or (path and filenames.has_extension(path)) else None
    name = name or filenames.of_disposition(disposition or "") or path or ""
    size, tag = length(reply, name), version(reply)
    offered = {unit.strip().lower() for unit in (reply.header("accept-ranges") or "").split(",")}
    return ObjectInfo(
        key,
        size,
        tag,
        reply.time("last-modified"),
        reply.header("etag"),
        properties=properties(reply, name),
        ranged="bytes" in offered and tag is not None and size is not None,
        name=name,
    )


def is_page(obj: ObjectInfo) -> bool:
    """Whether a web page seems to be sent instead of a file: it is HTML, but its name is that of something else."""
    media_type = (obj.content_type or "").partition(";")[0].strip().lower()
    name = (obj.name or "").lower()
    return media_type in _PAGES and filenames.has_extension(name) and not name.endswith((".html", ".htm", ".xhtml"))


def whole(reply: Response) -> Response | None:
    """The response to a GET of the whole file, from that to a GET of its first byte; None: it is neither."""
    if reply.status == 200:
        return reply
    try:
        size = check_range(reply, 0, 1) if reply.status == 206 else None
    except TransportError:
        size = None
    return None if size is None else of_whole(reply, size)


def of_whole(reply: Response, size: int) -> Response:
    """The response to a GET of the whole file, from that to a GET of a range of it.

    Args:
        reply: The response to a range; its Content-Range was checked.
        size: Size of the file in bytes.
    """
    changed = {b"content-length", b"content-range", b"accept-ranges"}
    headers = [header for header in reply.headers if header[0] not in changed]
    headers += [(b"content-length", str(size).encode()), (b"accept-ranges", b"bytes")]
    return Response(200, headers)


def properties(reply: Response, name: str) -> Properties:
    """Parse the file's properties.

    A Content-Encoding that is decoded is dropped. An Expires that is not a date, such as "0", applies to this
    response only: https://www.rfc-editor.org/rfc/rfc9111#section-5.3
    """
    received = from_headers(reply.headers)
    coding = stored_coding(reply, name)
    if coding is None and not codings(reply, name) and "aws-chunked" in (reply.header("content-encoding") or ""):
        coding = "aws-chunked"  # not decoded either
    return replace(received, content_encoding=coding, expires=received.expires if reply.time("expires") else None)


def version(reply: Response) -> str | None:
    """Return the ETag if it identifies the bytes of the file: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.

    A weak one does together with a Last-Modified that is not too recent to be strong, which `pinned` compares, too:
    https://www.rfc-editor.org/rfc/rfc9110#section-8.8.2.2. Some servers omit the quotes.
    """
    tag = reply.header("etag") or ""
    if _STRONG_TAG.fullmatch(tag) or _UNQUOTED_TAG.fullmatch(tag):
        return tag
    modified = reply.time("last-modified")
    now = reply.time("date") or datetime.now(UTC)
    old = modified is not None and now - modified >= timedelta(seconds=1)
    return tag if old and _WEAK_TAG.fullmatch(tag) else None


def pinned(obj: ObjectInfo) -> tuple[list[tuple[str, str]], tuple[tuple[str, tuple[str, ...]], ...]]:
    """How a read names the version of a file: headers of the request, and what the response must say.

    If-Match would fail with a weak ETag, and might with one that is not valid.
    """
    if obj.version is None:
        return [], ()
    if _STRONG_TAG.fullmatch(obj.version):
        return [("if-match", obj.version)], (("etag", (obj.version,)),)
    if not obj.version.startswith("W/") or obj.modified is None:
        return [], (("etag", (obj.version,)),)
    date = format_datetime(obj.modified, usegmt=True)
    return [("if-unmodified-since", date)], (("etag", (obj.version,)), ("last-modified", (date,)))


def same_version(obj: ObjectInfo, reply: Response) -> bool:
    """Whether a response of another form is of this version. The ETag of an encoded body is weak, or should be."""
    tag = reply.header("etag")
    return obj.version is None or tag is None or tag.removeprefix("W/") == obj.version.removeprefix("W/")


def length(reply: Response, name: str) -> int | None:
    """Return the size of the file in bytes; None if the response does not contain it.

    Args:
        reply: The response.
        name: Name of the file.
    """
    size = reply.header("content-length")
    if (
        size is None
        or not size.isascii()
        or not size.isdecimal()
        or codings(reply, name)
        or reply.header("transfer-encoding")
    ):
        return None
    return int(size)


def codings(reply: Response, name: str) -> list[str]:
    """Return the encodings to decode, in the order in which they were applied.

    Identity was requested, so an encoding that the name of the file also tells is that of the stored file, as in
    "model.tar.gz": it is kept.

    Args:
        reply: The response.
        name: Name of the file.
    """
    found = _all_codings(reply)
    return found[1:] if stored_coding(reply, name) else found


def stored_coding(reply: Response, name: str) -> str | None:
    """Return the encoding that is kept, because the file is stored with it; None: there is none."""
    found = _all_codings(reply)
    end = f".{name.lower().rpartition('.')[2]}"
    return found[0] if found and _STORED.get(end) == found[0].removeprefix("x-") else None


def _all_codings(reply: Response) -> list[str]:
    found = [coding.strip().lower() for coding in (reply.header("content-encoding") or "").split(",")]
    return [coding for coding in found if coding not in _NO_CODING]


def error(reply: Response, key: str, *, hint: str) -> StorageError:
    """Convert an error response to an exception. The body is not quoted: it may repeat the query of a signed URL.

    Args:
        reply: Response with an error status.
        key: Key of the requested file.
        hint: Hint for a denied request.
    """
    return with_request_ids(_error(reply, key, hint), reply)


def _error(reply: Response, key: str, hint: str) -> StorageError:
    status = reply.status
    if status in {401, 403}:
        return AccessDenied(f"the server denied access ({status})", hint=hint, status=status, host=reply.host)
    if status in {404, 410}:
        return ModelMissingError(key, cause=f"the server has no such file ({status})", status=status)
    if status in {412, 416}:
        return ObjectChanged("the file was replaced while it was read", status=status)
    wait = f" and asks to wait {reply.retry_after:.0f} s" if reply.retry_after and status in {429, 503} else ""
    return ServiceError(
        f"the server answered {status}{wait}",
        status=status,
        retryable=reply.is_transient,
        retry_after=reply.retry_after,
        throttled=reply.asks_for_less,
        host=reply.host,
    )
