"""Git repositories over http and https, read-only. Needs the package dulwich: `sealift[git]`.

The commit of a revision is fetched once, without its history (`remote`, whose framing is `pkt_line`), and its files are
written to a temporary directory (`checkout`). Files in Git LFS are read from the LFS server (`lfs`). `replies` parses
errors.
"""

from importlib.util import find_spec

from ...config import GitConfig, StorageConfig
from ...errors import InvalidConfig, UnsupportedOperation
from ...instance import Instance
from ...uri import Location
from .access import completed
from .backend import GitBackend
from .remote import Remote

__all__ = ["GitBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> GitBackend:  # noqa: A001 - the contract's
    """Open the repository of a location."""
    if find_spec("dulwich") is None:
        hint = 'python -m pip install "sealift[git]"'
        raise UnsupportedOperation("Git repositories need the package dulwich", hint=hint)
    if config is not None and not isinstance(config, GitConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for {location.scheme}://", hint="pass a GitConfig")
    return GitBackend(Remote(location.at(""), completed(config, location, instance.environ), instance))
