"""sealift as an fsspec filesystem: for pandas, pyarrow, dask, zarr and whatever else uses fsspec.

    pip install "sealift[fsspec]"
    fsspec.open("sealift+s3://ml-models/iris/model.joblib")      # a protocol for each scheme
    fsspec.filesystem("sealift").ls("hf://intfloat/e5-small-v2") # one for all: its paths are URIs
    sealift.integrations.fsspec.register("s3", "gs")             # replaces the implementations of "s3" and "gs"

universal_pathlib has these protocols, too (`path.py`): UPath("sealift+s3://ml-models/iris") / "model.joblib"

fsspec's specification: https://filesystem-spec.readthedocs.io/en/latest/api.html
"""

from .filesystem import SealiftFileSystem
from .protocols import (
    AzureFileSystem,
    GCSFileSystem,
    HFFileSystem,
    HTTPFileSystem,
    HTTPSFileSystem,
    LocalFileSystem,
    PVCFileSystem,
    S3FileSystem,
    register,
)

__all__ = [
    "AzureFileSystem",
    "GCSFileSystem",
    "HFFileSystem",
    "HTTPFileSystem",
    "HTTPSFileSystem",
    "LocalFileSystem",
    "PVCFileSystem",
    "S3FileSystem",
    "SealiftFileSystem",
    "register",
]
