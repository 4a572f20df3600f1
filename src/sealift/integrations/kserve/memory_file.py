"""Files in memory, for secrets and certificates that are read by path: no disk needs to be writable."""

import os
from functools import cache

from ...errors import UnsupportedOperation

__all__ = ["memory_file"]


def memory_file(content: bytes) -> str:
    """Path of a file in memory with this content, which this process and its child processes can read.

    Raises:
        UnsupportedOperation: The system is not Linux.

    Example:
        >>> with open(memory_file(b"secret"), "rb") as file:
        ...     file.read()
        b'secret'
    """
    # By the number of this process: "self" would be another one in a child process.
    return f"/proc/{os.getpid()}/fd/{_descriptor(content)}"


@cache
def _descriptor(content: bytes) -> int:
    if not hasattr(os, "memfd_create"):
        raise UnsupportedOperation(
            "files in memory need Linux", hint="pass the path of a file, for example in GOOGLE_APPLICATION_CREDENTIALS"
        )
    descriptor = os.memfd_create("sealift")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor
