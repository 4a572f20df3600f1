"""sealift moves model artifacts between object stores, hubs and disks.

    from sealift import Storage, AsyncStorage

    path = Storage.download("s3://ml-models/iris/")                   # in a sync load()
    path = await AsyncStorage().download("s3://ml-models/iris/")      # in an event loop

`Storage` is the synchronous facade of `AsyncStorage`. Importing this package loads neither asyncio nor any SDK; they
are imported on first use.
"""

from typing import TYPE_CHECKING, Any

from .api.blocking import Storage, StorageOperations
from .config import (
    AUTHENTICATION_METHODS,
    AzureConfig,
    GCSConfig,
    HFConfig,
    HTTPConfig,
    PVCConfig,
    S3Config,
    StorageConfig,
)
from .errors import (
    AccessDenied,
    ArchiveError,
    ClosedError,
    DeadlineExceeded,
    IncompleteError,
    InferenceError,
    IntegrityError,
    InvalidConfig,
    InvalidInput,
    InvalidURI,
    LocalIOError,
    ModelMissingError,
    ModelNotFound,
    ObjectChanged,
    ServiceError,
    Skipped,
    SkipReason,
    StorageError,
    TransportError,
    UnsafeKey,
    UnsupportedOperation,
)
from .types import Durability, Event, Limits, ObjectInfo, OnEvent, Synced, Unpack, Verify
from .types.properties import Properties
from .uri import (
    AZURE_URI_FORMAT,
    GCS_URI_FORMAT,
    HF_URI_FORMAT,
    HTTP_URI_FORMAT,
    LOCAL_URI_FORMAT,
    PVC_URI_FORMAT,
    S3_URI_FORMAT,
    SUPPORTED_PROTOCOLS,
)
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .api.async_storage import AsyncStorage

__all__ = [
    "AUTHENTICATION_METHODS",
    "AZURE_URI_FORMAT",
    "GCS_URI_FORMAT",
    "HF_URI_FORMAT",
    "HTTP_URI_FORMAT",
    "LOCAL_URI_FORMAT",
    "PVC_URI_FORMAT",
    "S3_URI_FORMAT",
    "SUPPORTED_PROTOCOLS",
    "AccessDenied",
    "ArchiveError",
    "AsyncStorage",
    "AzureConfig",
    "ClosedError",
    "DeadlineExceeded",
    "Durability",
    "Event",
    "GCSConfig",
    "HFConfig",
    "HTTPConfig",
    "IncompleteError",
    "InferenceError",
    "IntegrityError",
    "InvalidConfig",
    "InvalidInput",
    "InvalidURI",
    "Limits",
    "LocalIOError",
    "LocalPath",
    "ModelMissingError",
    "ModelNotFound",
    "ObjectChanged",
    "ObjectInfo",
    "ObjectList",
    "OnEvent",
    "PVCConfig",
    "Properties",
    "S3Config",
    "ServiceError",
    "SkipReason",
    "Skipped",
    "Storage",
    "StorageConfig",
    "StorageError",
    "StorageMetadata",
    "StorageOperations",
    "StorageURI",
    "Synced",
    "TransportError",
    "Unpack",
    "UnsafeKey",
    "UnsupportedOperation",
    "Verify",
]

StorageURI = str
LocalPath = str
StorageMetadata = dict[str, Any]
ObjectList = list[str]


def __getattr__(name: str) -> Any:
    if name == "AsyncStorage":
        from .api.async_storage import AsyncStorage  # noqa: PLC0415 - imports asyncio, 0.1 s

        return AsyncStorage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
