"""Paths that a single file is written to."""

import os

from ..errors import InvalidConfig
from ..keys import paths
from ..uris.file_names import encoding_hint, why_unencodable

__all__ = ["check_destination"]


def check_destination(dest: str) -> None:
    """Check that a path can be a destination, without looking at the disk.

    Raises:
        InvalidConfig: It is empty, contains a NUL character, or is a `.sealift` directory.
    """
    if not dest:
        raise InvalidConfig("the destination is an empty path", hint='"." is the current directory')
    if "\0" in dest:
        raise InvalidConfig(f"the destination {dest!r} contains a NUL character")
    if (unencodable := why_unencodable(dest)) is not None:
        raise InvalidConfig(f"the destination {dest!r} {unencodable}", hint=encoding_hint())
    if paths.is_work_directory(os.path.basename(os.path.abspath(dest))):
        raise InvalidConfig(
            f"the destination {dest!r} is where sealift keeps temporary files", hint="choose another name"
        )
