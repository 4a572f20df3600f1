"""Backends by URI scheme. A backend's module, and its SDK, is imported when its scheme is first used.

ARCHITECTURE.md lists the steps for adding a backend.
"""

from importlib import import_module
from typing import Any

from ..config import StorageConfig
from ..contract import Backend
from ..errors import UnsupportedOperation
from ..instance import Instance
from ..uri import Location

__all__ = ["MODULES", "describe_backend", "open_backend"]

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
    """Open the backend for a location's bucket, container, repository or directory.

    Args:
        location: The location; its key is ignored.
        config: Credentials and options. None: credentials from the environment.
        instance: The instance that will use the backend.

    Raises:
        UnsupportedOperation: There is no backend for this scheme.
        InvalidConfig: The configuration is for another service.
    """
    name = MODULES.get(location.scheme)
    if name is None:
        raise UnsupportedOperation(f"{location.scheme}:// is not supported", hint=f"supported: {', '.join(MODULES)}")
    # In a thread: the first import of an SDK takes 0.3 s, which would block the event loop.
    module: Any = await instance.disk.run(lambda: import_module(f".{name}", __package__))
    backend: Backend = await module.open(location, config, instance)
    return backend


async def describe_backend(location: Location, config: StorageConfig | None, instance: Instance) -> dict[str, str]:
    """Describe the configuration that is used for a location: endpoint, credentials, and where they come from.

    Args:
        location: The location.
        config: As for `open_backend`.
        instance: Provides the environment.

    Returns:
        Texts by name, without secrets; empty if the service has no configuration.

    Raises:
        StorageError: There are no credentials, or a setting is not valid.
    """
    name = f".{MODULES[location.scheme]}"
    if name not in {".s3", ".gcs", ".azure", ".huggingface"}:
        return {}
    module: Any = await instance.disk.run(lambda: import_module(f"{name}.describe", __package__))
    facts: dict[str, str] = await module.describe(location, config, instance)
    return facts
