"""Downloads to a path: equal ones that run at once in one event loop share a single transfer."""

import os

from ..config import StorageConfig
from ..operations.call_options import CallOptions
from ..operations.open_location import OpenLocation
from ..types.argument_checks import path_text
from .argument_types import StrPath
from .lifetime import Lifetime

__all__ = ["download_to"]


async def download_to(
    lifetime: Lifetime, uri: StrPath, dest: StrPath, config: StorageConfig | None, options: CallOptions
) -> str:
    """Download to a path, or wait for an equal call that does; see `AsyncStorage.download`.

    Args:
        lifetime: The instance.
        uri: URI or local path.
        dest: The file or directory.
        config: As in `Lifetime.open`.
        options: Options of the call.

    Returns:
        The path of the file or directory.
    """
    path = path_text("dest", dest)

    async def transfer(source: OpenLocation, options: CallOptions) -> str:
        from ..operations.download import download_to as download

        return await download(source, path, options)

    absolute = os.path.abspath(path)  # noqa: ASYNC240 - does not touch the disk
    return await lifetime.share("download", uri, config, options, transfer, path, absolute)
