"""S3 listings written to files before a benchmark, so that nginx answers ListObjects (v1 and v2) as fast as files.

A listing is chosen by its version, its prefix, whether it has a delimiter, and the page. `nginx_s3.py` maps the query
of a request to one of these files. The number of a page is the continuation token, the last key of a page the marker.
The page `first` answers `max-keys=1`, with which clients ask whether a prefix has any objects.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

PAGE = 1_000  # keys; the maximum of S3
_MULTIPART = 8 << 20  # bytes of a part
EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Object:
    """What a server reports about an object: bytes, and its ETag in quotes."""

    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: its keys or common prefixes. `following` is the token of the next page."""

    keys: Sequence[str]
    folders: Sequence[str] = ()
    following: str | None = None
    max_keys: int = PAGE


def etag(path: Path, *, multipart: bool) -> str:
    """The ETag that S3 would give a file: its MD5, or that of a multipart upload in parts of 8 MiB if it is larger."""
    digests = []
    with path.open("rb") as stream:
        if not multipart or path.stat().st_size <= _MULTIPART:
            return f'"{hashlib.file_digest(stream, "md5").hexdigest()}"'
        while part := stream.read(_MULTIPART):
            digests.append(hashlib.md5(part).digest())
    return f'"{hashlib.md5(b"".join(digests)).hexdigest()}-{len(digests)}"'


def write(root: Path, bucket: str, objects: Mapping[str, Object]) -> tuple[dict[str, str], dict[str, int]]:
    """Write every listing of `objects` (by key) below `root`, as `VERSION/DELIMITER/LISTING/PAGE.xml`.

    Returns:
        The name of the LISTING of each prefix, and the page after each `LISTING DELIMITER MARKER`.
    """
    if unsafe := [key for key in objects if quote(key) != key]:
        # encoding-type=url would need listings of its own.
        raise ValueError(f"{unsafe[0]!r} has characters that a listing must escape")
    listings: dict[str, str] = {}
    markers: dict[str, int] = {}
    for delimiter in ("flat", "folders"):
        _write_pages(root, bucket, objects, (delimiter, EMPTY, ""), [Page(())])
    for prefix in sorted(_prefixes(objects)):
        name = listings[prefix] = f"listing{len(listings)}"
        for delimiter, pages in (("flat", _flat(objects, prefix)), ("folders", _by_folder(objects, prefix))):
            _write_pages(root, bucket, objects, (delimiter, name, prefix), pages)
            for number, page in enumerate(pages[:-1], start=1):
                markers[f"{name} {delimiter} {page.keys[-1]}"] = number
    return listings, markers


def _write_pages(
    root: Path, bucket: str, objects: Mapping[str, Object], listing: tuple[str, str, str], pages: Sequence[Page]
) -> None:
    delimiter, name, prefix = listing
    named = {str(number): page for number, page in enumerate(pages)} | {"first": _first(pages)}
    for version in ("v1", "v2"):
        folder = root / version / delimiter / name
        folder.mkdir(parents=True)
        for page_name, page in named.items():
            (folder / f"{page_name}.xml").write_text(xml(version, bucket, prefix, page, objects))


def _prefixes(objects: Mapping[str, Object]) -> set[str]:
    """Every folder, with and without its slash, and the only object of a folder, which some clients list first."""
    folders = {parent.as_posix() for key in objects for parent in PurePosixPath(key).parents} - {"."}
    inside = Counter(key.rpartition("/")[0] for key in objects)
    alone = [key for key in objects if inside[key.rpartition("/")[0]] == 1]
    return {"", *folders, *(f"{folder}/" for folder in folders), *alone}


def _flat(objects: Mapping[str, Object], prefix: str) -> list[Page]:
    keys = sorted(key for key in objects if key.startswith(prefix))
    starts = range(0, len(keys), PAGE)
    return [
        Page(keys[start : start + PAGE], following=str(number) if start + PAGE < len(keys) else None)
        for number, start in enumerate(starts, start=1)
    ]


def _first(pages: Sequence[Page]) -> Page:
    page = pages[0]
    entries = len(page.keys) + len(page.folders)
    # A client that asked for one entry does not ask for the next.
    following = "unknown" if entries > 1 or page.following is not None else None
    return Page(page.keys[:1], () if page.keys else page.folders[:1], following, max_keys=1)


def _by_folder(objects: Mapping[str, Object], prefix: str) -> list[Page]:
    rest = {key: key.removeprefix(prefix) for key in objects if key.startswith(prefix)}
    keys = sorted(key for key, name in rest.items() if "/" not in name)
    folders = sorted({prefix + name.partition("/")[0] + "/" for name in rest.values() if "/" in name})
    if len(keys) + len(folders) > PAGE:
        raise ValueError(f"{prefix!r} has more than {PAGE:,} entries, which this server lists only without a delimiter")
    return [Page(keys, folders)]


def xml(version: str, bucket: str, prefix: str, page: Page, objects: Mapping[str, Object]) -> str:
    def lines() -> Iterator[str]:
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        yield f"<Name>{bucket}</Name><Prefix>{prefix}</Prefix><MaxKeys>{page.max_keys}</MaxKeys>"
        yield f"<IsTruncated>{'false' if page.following is None else 'true'}</IsTruncated>"
        if version == "v2":
            yield f"<KeyCount>{len(page.keys) + len(page.folders)}</KeyCount>"
            if page.following is not None:
                yield f"<NextContinuationToken>{page.following}</NextContinuationToken>"
        elif page.following is not None:
            yield f"<NextMarker>{[*page.keys, *page.folders][-1]}</NextMarker>"
        for key in page.keys:
            found = objects[key]
            tag = found.etag.replace('"', "&quot;")
            yield (
                f"<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>{tag}</ETag>"
                f"<Size>{found.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
        for folder in page.folders:
            yield f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
        yield "</ListBucketResult>"

    return "\n".join(lines())
