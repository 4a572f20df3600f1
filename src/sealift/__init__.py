"""sealift moves model artifacts between object stores, hubs and disks.

    from sealift import Storage, AsyncStorage

    path = Storage.download("s3://ml-models/iris/")                   # in a sync load()
    path = await AsyncStorage().download("s3://ml-models/iris/")      # in an event loop

`Storage` is the synchronous facade of `AsyncStorage`; `configure` sets its configuration and limits. Importing this
package loads neither asyncio nor any SDK; they are imported on first use.
"""

from typing import TYPE_CHECKING, Any

from .api.blocking import Storage, StorageOperations
from .api.blocking_cached_path import CachedPath
from .api.file import ReadableFile, WritableFile
from .api.process_settings import configure
from .api.tensors import Tensors
from .config import (
    AUTHENTICATION_METHODS,
    AzureConfig,
    GCSConfig,
    GitConfig,
    HDFSConfig,
    HFConfig,
    HTTPConfig,
    ModelScopeConfig,
    OCIConfig,
    PVCConfig,
    S3Config,
    StorageConfig,
    StorageConfigs,
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
    ObjectExists,
    ServiceError,
    SignatureError,
    Skipped,
    SkipReason,
    StorageError,
    TensorFileError,
    TransportError,
    UnsafeKey,
    UnsupportedOperation,
)
from .types import (
    Durability,
    Event,
    Existing,
    Limits,
    ObjectInfo,
    OnError,
    OnEvent,
    Revalidate,
    Symlinks,
    Synced,
    Unpack,
    Verify,
)
from .types.properties import Properties
from .types.trust import Trust
from .types.write_options import WriteOptions
from .uri import (
    AZURE_URI_FORMAT,
    GCS_URI_FORMAT,
    GIT_URI_FORMAT,
    HDFS_URI_FORMAT,
    HF_URI_FORMAT,
    HTTP_URI_FORMAT,
    LOCAL_URI_FORMAT,
    MODELSCOPE_URI_FORMAT,
    OCI_URI_FORMAT,
    PVC_URI_FORMAT,
    S3_URI_FORMAT,
    SUPPORTED_PROTOCOLS,
)
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .api.async_file import AsyncReadableFile, AsyncWritableFile
    from .api.async_storage import AsyncStorage
    from .api.async_tensors import AsyncTensors
    from .api.cached_path import AsyncCachedPath
    from .tensors.meta import TensorMeta, TensorRead


__all__ = [
    "AUTHENTICATION_METHODS",
    "AZURE_URI_FORMAT",
    "GCS_URI_FORMAT",
    "GIT_URI_FORMAT",
    "HDFS_URI_FORMAT",
    "HF_URI_FORMAT",
    "HTTP_URI_FORMAT",
    "LOCAL_URI_FORMAT",
    "MODELSCOPE_URI_FORMAT",
    "OCI_URI_FORMAT",
    "PVC_URI_FORMAT",
    "S3_URI_FORMAT",
    "SUPPORTED_PROTOCOLS",
    "AccessDenied",
    "ArchiveError",
    "AsyncCachedPath",
    "AsyncReadableFile",
    "AsyncStorage",
    "AsyncTensors",
    "AsyncWritableFile",
    "AzureConfig",
    "CachedPath",
    "ClosedError",
    "DeadlineExceeded",
    "Durability",
    "Event",
    "Existing",
    "GCSConfig",
    "GitConfig",
    "HDFSConfig",
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
    "ModelScopeConfig",
    "OCIConfig",
    "ObjectChanged",
    "ObjectExists",
    "ObjectInfo",
    "ObjectList",
    "OnError",
    "OnEvent",
    "PVCConfig",
    "Properties",
    "ReadableFile",
    "Revalidate",
    "S3Config",
    "ServiceError",
    "SignatureError",
    "SkipReason",
    "Skipped",
    "Storage",
    "StorageConfig",
    "StorageConfigs",
    "StorageError",
    "StorageMetadata",
    "StorageOperations",
    "StorageURI",
    "Symlinks",
    "Synced",
    "TensorFileError",
    "TensorMeta",
    "TensorRead",
    "Tensors",
    "TransportError",
    "Trust",
    "Unpack",
    "UnsafeKey",
    "UnsupportedOperation",
    "Verify",
    "WritableFile",
    "WriteOptions",
    "configure",
]

StorageURI = str
LocalPath = str
StorageMetadata = dict[str, Any]
ObjectList = list[str]


# Imported when they are used: most import asyncio, which takes 0.1 s.
_LATER = {
    "AsyncCachedPath": "api.cached_path",
    "AsyncReadableFile": "api.async_file",
    "AsyncStorage": "api.async_storage",
    "AsyncTensors": "api.async_tensors",
    "AsyncWritableFile": "api.async_file",
    "TensorMeta": "tensors.meta",
    "TensorRead": "tensors.meta",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return __all__
