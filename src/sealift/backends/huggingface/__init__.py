"""The Hugging Face Hub and compatible servers, read-only.

A revision is resolved to a commit once, and all files are read at that commit (`repository`; `branches` handles names
with a slash). Large files are in a separate storage, at signed URLs that expire (`download_urls`). Small files come
from the hub itself, possibly compressed or without range support (`small_files`). `replies` parses responses.
"""

import os

from ...config import HFConfig, StorageConfig
from ...errors import AccessDenied, InvalidConfig, UnsupportedOperation
from ...instance import Instance
from ...uri import Location
from ...wire import Origin
from .backend import HFBackend
from .download_urls import DownloadURLs
from .repository import Repository

__all__ = ["HFBackend", "open"]

_ENDPOINT = "https://huggingface.co"


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> HFBackend:  # noqa: A001 - the contract's
    """Open the repository of a location."""
    environment = HFConfig.from_env(instance.environ)
    if config is None:
        config = environment
    if not isinstance(config, HFConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for hf://", hint="pass an HFConfig")
    if config.offline or environment.offline:
        raise UnsupportedOperation("offline mode is on: hf:// is not available", hint="unset HF_HUB_OFFLINE")
    credentials = config if config.anonymous or config.token or config.token_file else environment
    default = environment.endpoint or _ENDPOINT
    endpoint = config.endpoint or default
    token, file = credentials.token, credentials.token_file
    if credentials is environment and Origin.of(endpoint) != Origin.of(default):
        token, file = None, None  # do not send the environment's token to another hub
    if not token and file is not None:
        token = await _read_token(file, instance)
    repository = Repository(location, endpoint, token or None, config, instance)
    if location.revision and location.key:
        await instance.retry(repository.commit)  # the key may begin with the rest of a branch's name
    return HFBackend(repository, await DownloadURLs.of_repository(repository))


async def _read_token(file: str | os.PathLike[str], instance: Instance) -> str | None:
    """Read the token stored by `hf auth login`; None if the file does not exist or is empty."""
    try:
        return (await instance.disk.read_file(os.fspath(file))).decode().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not a text file"
        raise AccessDenied(f"the token file {file} cannot be read: {reason}", hint="run hf auth login") from None
