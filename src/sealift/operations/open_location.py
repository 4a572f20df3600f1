"""A location together with the open backend and the instance that serve it."""

from contextlib import AbstractAsyncContextManager

from ..backends import open_backend
from ..backends.local import LocalBackend
from ..config import StorageConfig
from ..contract import Backend
from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass
from ..instance import Instance
from ..runtime.shielded import shielded
from ..uri import Location, parse

__all__ = ["OpenLocation", "check_local", "open_location"]


@dataclass(frozen=True, slots=True)
class OpenLocation:
    """A URI's location, ready for use: the argument of every operation.

    Attributes:
        instance: Connections, disk threads, memory budget and retries of the call.
        backend: The bucket, container, repository or directory.
        location: The object or prefix that the URI names in it.
    """

    instance: Instance
    backend: Backend
    location: Location

    @property
    def on_disk(self) -> bool:
        """Whether this is a path on the local disk."""
        return self.location.scheme == "file"


def open_location(
    instance: Instance, location: Location, config: StorageConfig | None, version_id: str | None = None
) -> AbstractAsyncContextManager[OpenLocation]:
    """Open the backend of a location for a block; the arguments are those of `open_backend`."""
    return _Opening(instance, location, config, version_id)


class _Opening(AbstractAsyncContextManager[OpenLocation]):
    """No generator: an event loop that ends closes all of them at once, which fails for those within others."""

    def __init__(
        self, instance: Instance, location: Location, config: StorageConfig | None, version_id: str | None
    ) -> None:
        self._instance = instance
        self._location = location
        self._config = config
        self._version_id = version_id
        self._backend: Backend | None = None

    async def __aenter__(self) -> OpenLocation:
        instance, location = self._instance, self._location
        backend = await open_backend(location, self._config, instance, self._version_id)
        if isinstance(backend, LocalBackend) and location.scheme != "file":
            # A volume is a directory of this machine: from here on its files are local files.
            backend, location = LocalBackend("/", instance.disk), parse(backend.path(location.key))
        self._backend = backend
        return OpenLocation(instance, backend, location)

    async def __aexit__(self, *exc_info: object) -> None:
        if self._backend is not None:
            await shielded(self._backend.aclose())


def check_local(source: Location) -> None:
    """Raise InvalidConfig if the source of an upload is not a local path or a mounted volume."""
    if source.scheme not in {"file", "pvc"}:
        raise InvalidConfig(f"{source} is not a local path", hint="use copy() between storages")
