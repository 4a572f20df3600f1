"""Files that stand for others in Git LFS: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md. No I/O."""

import re

from ...frozen_dataclass import dataclass

__all__ = ["Pointer", "parse"]

# The specification limits pointers to less than 1024 bytes.
_LONGEST = 1023
_VERSION = re.compile(rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n")
_FIELD = re.compile(rb"^(oid sha256|size)[: ](\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer.

    Attributes:
        sha256: SHA-256 of the file.
        size: Its size in bytes.
    """

    sha256: str
    size: int


def parse(data: bytes) -> Pointer | None:
    r"""Parse a pointer; None: the file is not one.

    Example:
        >>> text = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
        >>> parse(text).size, parse(text + b" " * 1024)
        (5, None)
    """
    if len(data) > _LONGEST or not _VERSION.match(data):
        return None
    fields = {name: value.decode(errors="replace") for name, value in _FIELD.findall(data)}
    sha256, size = fields.get(b"oid sha256", ""), fields.get(b"size", "")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not re.fullmatch(r"[0-9]{1,18}", size):
        return None
    return Pointer(sha256, int(size))
