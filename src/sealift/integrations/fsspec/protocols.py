"""A filesystem class for each scheme, and the protocols under which fsspec finds it."""

import fsspec

from ...config import AzureConfig, GCSConfig, HFConfig, HTTPConfig, PVCConfig, S3Config
from ...errors import InvalidConfig
from .filesystem import SealiftFileSystem

__all__ = [
    "AzureFileSystem",
    "GCSFileSystem",
    "HFFileSystem",
    "HTTPFileSystem",
    "HTTPSFileSystem",
    "LocalFileSystem",
    "PVCFileSystem",
    "S3FileSystem",
    "register",
]


class S3FileSystem(SealiftFileSystem):
    """`s3://`; the paths are "bucket/key", and the options are those of `S3Config`."""

    protocol = ("sealift+s3", "s3", "s3a")
    scheme = "s3"
    config_type = S3Config


class GCSFileSystem(SealiftFileSystem):
    """`gs://`; the paths are "bucket/key", and the options are those of `GCSConfig`."""

    protocol = ("sealift+gs", "gs", "gcs")
    scheme = "gs"
    config_type = GCSConfig


class AzureFileSystem(SealiftFileSystem):
    """`az://`; the paths are "container/blob", and the options are those of `AzureConfig`."""

    protocol = ("sealift+az", "az", "azure")
    scheme = "az"
    config_type = AzureConfig


class HFFileSystem(SealiftFileSystem):
    """`hf://`, to be read only; the paths are "owner/name/file", and the options are those of `HFConfig`."""

    protocol = ("sealift+hf", "hf")
    scheme = "hf"
    config_type = HFConfig


class HTTPSFileSystem(SealiftFileSystem):
    """`https://`, to be read only; it cannot be listed. The options are those of `HTTPConfig`."""

    protocol = ("sealift+https", "https")
    scheme = "https"
    config_type = HTTPConfig


class HTTPFileSystem(SealiftFileSystem):
    """`http://`, as `HTTPSFileSystem`."""

    protocol = ("sealift+http", "http")
    scheme = "http"
    config_type = HTTPConfig


class PVCFileSystem(SealiftFileSystem):
    """`pvc://`; the paths are "claim/path", and the options are those of `PVCConfig`."""

    protocol = ("sealift+pvc", "pvc")
    scheme = "pvc"
    config_type = PVCConfig


class LocalFileSystem(SealiftFileSystem):
    """Local files, by their absolute paths."""

    protocol = ("sealift+file", "file", "local")
    root_marker = "/"


_CLASSES = {
    "s3": S3FileSystem, "s3a": S3FileSystem, "gs": GCSFileSystem, "gcs": GCSFileSystem, "az": AzureFileSystem,
    "azure": AzureFileSystem, "hf": HFFileSystem, "https": HTTPSFileSystem, "http": HTTPFileSystem,
    "pvc": PVCFileSystem,
}  # fmt: skip


def register(*protocols: str) -> None:
    """Use sealift for protocols that fsspec or another package implements, in this process.

    Args:
        protocols: "s3", "s3a", "gs", "gcs", "az", "azure", "hf", "https", "http" or "pvc". None: all of them.

    Raises:
        InvalidConfig: sealift has no such protocol.

    Example:
        >>> register("s3")
        >>> pandas.read_parquet("s3://ml-models/features.parquet")
    """
    for protocol in protocols or _CLASSES:
        if protocol not in _CLASSES:
            raise InvalidConfig(f"{protocol!r} is not a protocol of sealift", hint=", ".join(_CLASSES))
        fsspec.register_implementation(protocol, _CLASSES[protocol], clobber=True)
