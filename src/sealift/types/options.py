"""Options that callers choose."""

from typing import Literal

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass

__all__ = ["Durability", "Existing", "OnError", "Revalidate", "Symlinks", "Unpack", "Verify"]

# Checksum verification. True: verify if a checksum is available; "require": fail if none is; False: compare sizes only.
Verify = bool | Literal["require"]

# What a file reported as complete survives: "rename" a crash of the process, "fsync" also a crash of the machine.
Durability = Literal["rename", "fsync"]

# What happens to an object whose name the destination has already: it is replaced, it stays, or the call fails.
Existing = Literal["overwrite", "skip", "fail"]

# What happens when an object of a prefix cannot be copied or deleted: the call ends, or continues with the others.
OnError = Literal["stop", "continue"]

# When to ask the service whether what is cached is current: at each call, after so many seconds, or never.
Revalidate = float | Literal["always", "never"]

# What happens to symbolic links in a local source: the files that they lead to are copied, or they are skipped.
Symlinks = Literal["follow", "skip"]


@dataclass(frozen=True, slots=True)
class Unpack:
    """Limits for unpacking an archive; an archive that exceeds them fails as a decompression bomb.

    Args:
        entries: Maximum number of files and directories.
        size: Maximum total size of the files in bytes.
        ratio: Maximum ratio of unpacked to packed size, applied above 64 MiB; of what has arrived, if the size of the
            archive is not known in advance. Model weights reach 2, sparse weights
            some tens, decompression bombs a thousand.

    Raises:
        InvalidConfig: A value is not positive.
    """

    entries: int = 100_000
    size: int = 1 << 40
    ratio: float = 200

    def __post_init__(self) -> None:
        for name in ("entries", "size", "ratio"):
            value = getattr(self, name)
            if not value > 0:
                raise InvalidConfig(f"Unpack({name}={value!r}) is not positive")
