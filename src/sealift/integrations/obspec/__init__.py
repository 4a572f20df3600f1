"""sealift as a store of obspec's protocols: for code that is written for obstore or any other such store.

    pip install "sealift[obspec]"
    store = SealiftStore("s3://ml-models/iris")
    store.get("model.joblib").buffer()
    await store.get_async("model.joblib")

The protocols: https://developmentseed.org/obspec/latest/
"""

from .exceptions import (
    InvalidPathError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
)
from .results import GetResult, GetResultAsync
from .store import SealiftStore

__all__ = [
    "GetResult",
    "GetResultAsync",
    "InvalidPathError",
    "NotFoundError",
    "NotModifiedError",
    "NotSupportedError",
    "PermissionDeniedError",
    "PreconditionError",
    "SealiftStore",
]
