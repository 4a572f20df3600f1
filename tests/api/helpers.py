"""What the tests of this folder share."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from sealift import S3Config
from tests.services.s3 import Keys, S3Service


def config_of(service: S3Service, keys: Keys | None = None) -> S3Config:
    """How to sign in to a service, as its identity that may do everything or as another."""
    chosen = keys or service.keys
    return S3Config(chosen.access_key, chosen.secret_key, endpoint_url=service.endpoint)


def files_in(directory: Path | str) -> dict[str, bytes]:
    """Relative path → content, of all files below a directory, hidden ones too."""
    root = Path(directory)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def all_in(directory: Path | str) -> set[str]:
    """Relative paths of everything below a directory, hidden things too."""
    root = Path(directory)
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def visible_in(directory: Path | str) -> set[str]:
    """As `all_in`, without what a stopped download leaves in the work directory for the next one to go on with."""
    return {path for path in all_in(directory) if ".sealift" not in path.split("/")}


def texts_of(error: BaseException) -> Iterator[str]:
    """All that a program could print of an error, of what it came from, and of its attributes."""
    yield "".join(traceback.format_exception(error))
    pending, seen = [error], set()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield str(each)
        yield repr(each)
        yield repr(each.args)
        yield repr(vars(each))
        yield from getattr(each, "__notes__", ())
        pending += [other for other in (each.__cause__, each.__context__) if other is not None]
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions


def shows(error: BaseException, *secrets: str) -> list[str]:
    """Which of these secrets an error shows."""
    texts = list(texts_of(error))
    return [secret for secret in secrets if any(secret in text for text in texts)]


def open_files() -> set[str]:
    """What this process's descriptors refer to; sockets and pipes have names of their own."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the listing's own
            continue
    return found
