"""The storages, by scheme. A module, and its SDK, is imported when its scheme is first used.

To add one: a module with `open(location, config, instance) -> Backend`, a line here, a contract class in the tests.
"""

from importlib import import_module
from typing import Any

from ..config import StorageConfig
from ..contract import Backend
from ..errors import UnsupportedOperation
from ..instance import Instance
from ..uri import Location

__all__ = ["MODULES", "open_backend"]

MODULES = {
    "azure": "azure",
    "file": "local",
    "http": "http",
    "https": "http",
    "gs": "gcs",
    "pvc": "pvc",
    "s3": "s3",
    "hf": "huggingface",
}


async def open_backend(location: Location, config: StorageConfig | None, instance: Instance) -> Backend:
    """The backend for a location's bucket, container, repository or directory.

    Args:
        location: Where; its key does not matter.
        config: How to sign in; None: the environment's way.
        instance: Of the instance that will use it.

    Raises:
        UnsupportedOperation: No backend for this scheme yet.
        InvalidConfig: A configuration for another service.
    """
    name = MODULES.get(location.scheme)
    if name is None:
        raise UnsupportedOperation(f"{location.scheme}:// cannot be read yet", hint=f"available: {', '.join(MODULES)}")
    # In a thread: an SDK's first import takes 0.3 s, which would stall the loop.
    module: Any = await instance.disk.run(lambda: import_module(f".{name}", __package__))
    backend: Backend = await module.open(location, config, instance)
    return backend
