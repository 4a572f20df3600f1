"""Where temporary files go in a container whose only writable directory is that of the model."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ...errors import LocalIOError

__all__ = ["temporary_files"]

_NAME = ".sealift-temporary"
_DEFAULT = "/tmp"  # noqa: S108 - only to see whether it can be written to


@contextmanager
def temporary_files(environ: Mapping[str, str], out_dir: str) -> Iterator[Mapping[str, str]]:
    """Provide a directory for the pack of a Git repository.

    Args:
        environ: The environment.
        out_dir: The model's directory. It has a directory for temporary files while the block runs, if there is no
            other one. What a killed process has left there is removed.

    Returns:
        The environment, whose `TMPDIR` can be written to.

    Raises:
        LocalIOError: The directory cannot be created.
    """
    if os.access(environ.get("TMPDIR") or _DEFAULT, os.W_OK | os.X_OK):
        yield environ
        return
    from shutil import rmtree  # noqa: PLC0415 - slow to import

    path = os.path.join(os.path.abspath(out_dir), _NAME)
    rmtree(path, ignore_errors=True)
    try:
        os.mkdir(path, 0o700)
    except OSError as error:
        raise LocalIOError(f"cannot create the directory {path}: {error.strerror}") from None
    try:
        yield {**environ, "TMPDIR": path}
    finally:
        rmtree(path, ignore_errors=True)
