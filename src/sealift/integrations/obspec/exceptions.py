"""Exceptions with the names that `obspec.exceptions.map_exception` knows; each is also one of sealift's."""

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import AccessDenied, InvalidURI, ModelMissingError, StorageError, UnsafeKey, UnsupportedOperation

__all__ = [
    "InvalidPathError",
    "NotFoundError",
    "NotModifiedError",
    "NotSupportedError",
    "PermissionDeniedError",
    "PreconditionError",
    "renamed",
]


class NotFoundError(ModelMissingError):
    """There is no such object."""


class PermissionDeniedError(AccessDenied):
    """The credentials are missing, invalid, expired or not authorized."""


class InvalidPathError(StorageError):
    """The path is not valid."""


class NotSupportedError(UnsupportedOperation):
    """The store does not support the operation, or an option of it."""


class PreconditionError(StorageError):
    """The object does not meet a condition of the call."""


class NotModifiedError(StorageError):
    """The object is the one that the caller has already."""


_NAMES: tuple[tuple[type[StorageError], type[StorageError]], ...] = (
    (ModelMissingError, NotFoundError),
    (AccessDenied, PermissionDeniedError),
    (InvalidURI, InvalidPathError),
    (UnsafeKey, InvalidPathError),
    (UnsupportedOperation, NotSupportedError),
)


@contextmanager
def renamed() -> Iterator[None]:
    """Raise sealift's errors under obspec's names; others stay what they are."""
    try:
        yield
    except StorageError as error:
        for kind, name in _NAMES:
            if isinstance(error, kind) and not isinstance(error, name):
                raise _as(name, error) from error.__cause__
        raise


def _as(kind: type[StorageError], error: StorageError) -> StorageError:
    made = NotFoundError(error.path, cause=error.cause) if isinstance(error, ModelMissingError) else kind(error.cause)
    vars(made).update(vars(error))
    return made
