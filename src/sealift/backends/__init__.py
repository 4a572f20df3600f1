"""Backends by URI scheme. A backend's module, and its SDK, is imported when its scheme is first used.

ARCHITECTURE.md lists the steps for adding a backend.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..config import StorageConfig
from ..contract import Backend
from ..errors import InvalidConfig, UnsupportedOperation
from ..instance import Instance
from ..types.argument_checks import wrong_type
from ..uri import Location

if TYPE_CHECKING:
    from ..config.setting import Setting

__all__ = ["MODULES", "describe_backend", "list_buckets", "open_backend"]

MODULES = {
    "azure": "azure",
    "file": "local",
    "http": "http",
    "https": "http",
    "gs": "gcs",
    "pvc": "pvc",
    "s3": "s3",
    "hf": "huggingface",
    "modelscope": "modelscope",
    "git+https": "git",
    "git+http": "git",
    "hdfs": "webhdfs",
    "webhdfs": "webhdfs",
    "swebhdfs": "webhdfs",
    "oci": "oci",
}
# Those with a module `buckets`.
_WITH_BUCKETS = ("s3", "gs", "azure")


# Services that keep versions of objects. The others have other ways to name one, such as the revision in a Hub's URI.
_VERSIONED = {"s3", "gs", "azure"}
_REVISIONS = {"hf", "modelscope", "git+https", "git+http", "oci"}


async def open_backend(
    location: Location, config: StorageConfig | None, instance: Instance, version_id: str | None = None
) -> Backend:
    """Open the backend for a location's bucket, container, repository or directory.

    Args:
        location: The location; its key is ignored, unless a version of its object is to be read.
        config: Credentials and options. None: credentials from the environment.
        instance: The instance that will use the backend.
        version_id: The version of an object to read; such a backend cannot list. None: the current one.

    Raises:
        UnsupportedOperation: There is no backend for this scheme, or it has no versions.
        InvalidConfig: The configuration is for another service, or the location of a version is no object.
    """
    name = MODULES.get(location.scheme)
    if name is None:
        raise UnsupportedOperation(f"{location.scheme}:// is not supported", hint=f"supported: {', '.join(MODULES)}")
    _check_online(location.scheme, instance)
    options = {} if version_id is None else {"version_id": _checked_version(location, version_id)}
    # In a thread: the first import of an SDK takes 0.3 s, which would block the event loop.
    module: Any = await instance.disk.run(lambda: import_module(f".{name}", __package__))
    backend: Backend = await module.open(location, config, instance, **options)
    return backend


async def describe_backend(
    location: Location, config: StorageConfig | None, instance: Instance
) -> "dict[str, Setting]":
    """Describe the configuration that is used for a location: endpoint, credentials, and where they come from.

    Args:
        location: The location.
        config: As for `open_backend`.
        instance: Provides the environment.

    Returns:
        Settings by name, without secrets; empty if the service has no configuration.

    Raises:
        StorageError: There are no credentials, or a setting is not valid.
    """
    name = f".{MODULES[location.scheme]}"
    if name not in {".s3", ".gcs", ".azure", ".huggingface", ".modelscope", ".git", ".webhdfs", ".oci", ".http"}:
        return {}
    module: Any = await instance.disk.run(lambda: import_module(f"{name}.describe", __package__))
    facts: dict[str, Setting] = await module.describe(location, config, instance)
    return facts


async def list_buckets(scheme: str, config: StorageConfig | None, instance: Instance) -> list[str]:
    """List the buckets or containers of an account.

    Args:
        scheme: Scheme of the service.
        config: Credentials and options. None: credentials from the environment.
        instance: The instance that sends the requests.

    Raises:
        UnsupportedOperation: The service has no buckets.
    """
    name = MODULES[scheme]
    _check_online(scheme, instance)
    if scheme not in _WITH_BUCKETS:
        known = ", ".join(f"{each}://" for each in _WITH_BUCKETS)
        raise UnsupportedOperation(f"{scheme}:// has no buckets to list", hint=f"only {known}")
    module: Any = await instance.disk.run(lambda: import_module(f".{name}.buckets", __package__))
    buckets: list[str] = await module.list_buckets(config, instance)
    return buckets


def _check_online(scheme: str, instance: Instance) -> None:
    """Raise an error if `SEALIFT_OFFLINE` forbids connections."""
    if scheme in {"file", "pvc"} or not instance.environ.get("SEALIFT_OFFLINE"):
        return
    from ..config.cache import is_offline  # noqa: PLC0415 - few programs set the variable

    if is_offline(instance.environ, scheme):
        raise UnsupportedOperation(f"offline mode is on: {scheme}:// is not available", hint="unset SEALIFT_OFFLINE")


def _checked_version(location: Location, version_id: str) -> str:
    scheme, key = location.scheme, location.key
    if scheme not in _VERSIONED:
        hint = "name the revision in the URI" if scheme in _REVISIONS else "leave out version_id"
        raise UnsupportedOperation(f"{scheme}:// does not support version_id=…", hint=hint)
    if not key or key.endswith("/"):
        raise InvalidConfig("version_id=… names a version of one object, not of a prefix", hint="name the object")
    if not isinstance(version_id, str):
        raise wrong_type("version_id", version_id, "a str")
    if not version_id or not version_id.isprintable():
        raise InvalidConfig(f"version_id={version_id!r} is not the ID of a version")
    return version_id
