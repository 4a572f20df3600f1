"""Helpers shared by the tests in this folder."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from sealift import S3Config
from tests.services.s3 import Keys, S3Service


def config_of(service: S3Service, keys: Keys | None = None) -> S3Config:
    """The configuration for a service, with its admin identity or another one."""
    chosen = keys or service.keys
    return S3Config(chosen.access_key, chosen.secret_key, endpoint_url=service.endpoint)


def files_in(directory: Path | str) -> dict[str, bytes]:
    """Relative path → content of all files below a directory, including hidden ones."""
    root = Path(directory)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def all_in(directory: Path | str) -> set[str]:
    """Relative paths of everything below a directory, including hidden entries."""
    root = Path(directory)
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def visible_in(directory: Path | str) -> set[str]:
    """Like `all_in`, without the work directory in which a stopped download leaves its state to resume from."""
    return {path for path in all_in(directory) if ".sealift" not in path.split("/")}


def texts_of(error: BaseException) -> Iterator[str]:
    """All text that a program could print of an error, its causes and its attributes."""
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
    """The secrets in the list that an error shows."""
    texts = list(texts_of(error))
    return [secret for secret in secrets if any(secret in text for text in texts)]


def open_files(pid: int | str = "self") -> set[str]:
    """The targets of a process's open descriptors, including sockets and pipes, each under a unique name."""
    return set(_descriptors(pid))


def open_journals() -> list[str]:
    """The journals that this process has open, once per descriptor."""
    return [target for target in _descriptors("self") if target.endswith(".journal")]


def _descriptors(pid: int | str) -> Iterator[str]:
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:  # closed meanwhile, as that of the listing itself
            continue
