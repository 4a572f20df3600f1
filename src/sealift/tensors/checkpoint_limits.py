"""What all files of a checkpoint may take together: their headers are kept while it is open."""

from ..errors import TensorFileError
from ..types import MiB

__all__ = ["MAX_FILES", "MAX_HEADERS", "MAX_TENSORS", "CheckpointLimits"]

MAX_FILES = 10_000
"""The most files of a checkpoint."""
MAX_TENSORS = 1_000_000
"""The most tensors of a checkpoint, of which each takes about 500 bytes while it is open."""
MAX_HEADERS = 128 * MiB
"""Bytes that all headers of a checkpoint may have."""
_HINT = "name fewer files in the URI: an index, or one file"


class CheckpointLimits:
    """Counts what the files of one checkpoint take.

    Example:
        >>> limits = CheckpointLimits()
        >>> limits.add_header(200)
        >>> limits.add_tensors(2)
    """

    def __init__(self) -> None:
        self._tensors = self._headers = 0

    def check_files(self, count: int) -> None:
        """Check the number of files.

        Args:
            count: Number of files.

        Raises:
            TensorFileError: There are too many.
        """
        if count > MAX_FILES:
            raise TensorFileError(f"there are more than {MAX_FILES} safetensors files", hint=_HINT)

    def add_header(self, size: int) -> None:
        """Count a header before it is read.

        Args:
            size: Its length in bytes.

        Raises:
            TensorFileError: All headers together are too long.
        """
        self._headers += size
        if self._headers > MAX_HEADERS:
            raise TensorFileError(f"the headers of all files have more than {MAX_HEADERS} bytes", hint=_HINT)

    def add_tensors(self, count: int) -> None:
        """Count the tensors of a file.

        Args:
            count: Number of tensors.

        Raises:
            TensorFileError: All files together have too many.
        """
        self._tensors += count
        if self._tensors > MAX_TENSORS:
            raise TensorFileError(f"the files have more than {MAX_TENSORS} tensors", hint=_HINT)
