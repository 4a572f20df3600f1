"""A location together with the open backend and the instance that serve it."""

from ..contract import Backend
from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass
from ..instance import Instance
from ..uri import Location

__all__ = ["OpenLocation", "check_local"]


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


def check_local(source: Location) -> None:
    """Raise InvalidConfig if the source of an upload is not a local path or a mounted volume."""
    if source.scheme not in {"file", "pvc"}:
        raise InvalidConfig(f"{source} is not a local path", hint="use copy() between storages")
