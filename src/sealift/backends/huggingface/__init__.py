"""The Hugging Face Hub, and what speaks its protocol; read only.

A revision becomes a commit once, and all is read at that commit (`repository`; `branches`: names with a slash). Large
files lie in another place, behind signed addresses that expire (`links`); small ones come from the hub itself, in
whatever way it likes (`body`). `replies` reads what the hub says.
"""

import aiofiles

from ...config import HFConfig, StorageConfig
from ...errors import AccessDenied, InvalidConfig, UnsupportedOperation
from ...instance import Instance
from ...uri import Location
from ...wire import Origin
from .backend import HFBackend
from .links import Links
from .repository import Repository

__all__ = ["HFBackend", "open"]

_ENDPOINT = "https://huggingface.co"


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> HFBackend:  # noqa: A001 - the contract's
    """The repository of a location."""
    environment = HFConfig.from_env(instance.environ)
    if config is None:
        config = environment
    if not isinstance(config, HFConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for hf://", hint="pass an HFConfig")
    if config.offline or environment.offline:
        raise UnsupportedOperation("offline mode is on: the hub may not be asked", hint="unset HF_HUB_OFFLINE")
    chosen = config if config.anonymous or config.token or config.token_file else environment
    own = environment.endpoint or _ENDPOINT
    endpoint = config.endpoint or own
    token, file = chosen.token, chosen.token_file
    if chosen is environment and Origin.of(endpoint) != Origin.of(own):
        token, file = None, None  # the environment's token is for the environment's hub
    if not token and file is not None:
        token = await _read_token(file)
    repository = Repository(location, endpoint, token or None, instance)
    if location.revision and location.key:
        await instance.retry(repository.commit)  # the key may begin with the rest of a branch's name
    return HFBackend(repository, await Links.to(repository))


async def _read_token(file: str) -> str | None:
    """Read the token that `hf auth login` stored; None if the file does not exist or is empty."""
    try:
        async with aiofiles.open(file, encoding="utf-8") as stream:
            return (await stream.read()).strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not a text"
        raise AccessDenied(f"the token's file {file} cannot be read: {reason}", hint="hf auth login") from None
