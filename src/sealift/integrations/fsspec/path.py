"""Paths of universal_pathlib: `UPath("sealift+s3://ml-models/iris/model.joblib")`.

Found by the entry points of the group `universal_pathlib.implementations`:
https://universal-pathlib.readthedocs.io/en/latest/
"""

from typing import Any

import fsspec
from upath import UPath

__all__ = ["PROTOCOLS", "SealiftPath"]

# Those of the entry points. The paths of "sealift" itself are URIs, which no path below another can be.
PROTOCOLS = (
    "sealift+s3", "sealift+gs", "sealift+az", "sealift+hf", "sealift+http", "sealift+https", "sealift+pvc",
    "sealift+file",
)  # fmt: skip

for _protocol in PROTOCOLS:
    fsspec.get_filesystem_class(_protocol)  # universal_pathlib looks up only classes that are loaded


class SealiftPath(UPath):
    """A path of one of sealift's filesystems. Options are those of `SealiftFileSystem`.

    Example:
        >>> path = UPath("sealift+s3://ml-models/iris", endpoint_url="http://minio:9000")
        >>> model = (path / "model.joblib").read_bytes()
    """

    __slots__ = ()

    @classmethod
    def _transform_init_args(
        cls, args: tuple[Any, ...], protocol: str, storage_options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], str, dict[str, Any]]:
        """Leave out the protocol: of one with a "+", universal_pathlib compares only what is before it."""
        if args and isinstance(args[0], UPath):
            storage_options = {**args[0].storage_options, **storage_options}
        return tuple(_without(protocol, each) for each in args), protocol, storage_options


def _without(protocol: str, path: Any) -> Any:
    if isinstance(path, UPath) and path.protocol == protocol:
        return path.path if path.is_absolute() else str(path)
    return path.removeprefix(f"{protocol}://") if isinstance(path, str) else path
