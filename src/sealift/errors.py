"""What can go wrong, as one tree.

    StorageError (RuntimeError)         every failure of a transfer or of a storage call
    ├── InvalidURI (InvalidInput)       the text is not a storage URI
    ├── InvalidConfig (InvalidInput)    a configuration, limit or argument cannot be used
    ├── ModelMissingError (FileNotFoundError)   no such object, prefix, bucket or file
    ├── AccessDenied (PermissionError)  the credentials are wrong, absent or not allowed to do this
    ├── UnsupportedOperation            this kind of storage cannot do this
    ├── ObjectChanged                   the object was replaced while it was being read
    ├── IntegrityError                  the bytes that arrived are not the bytes that were stored
    ├── ArchiveError                    what was to be unpacked is no archive, is damaged, or would grow without bounds
    ├── UnsafeKey                       a key would leave the target directory or collide in it
    ├── IncompleteError                 the call did all it could, but had to skip some files or objects
    ├── LocalIOError                    the local disk refused: full, read-only, not a directory …
    ├── TransportError                  no connection, a broken one, or a stalled one
    ├── DeadlineExceeded (TimeoutError)  the call took longer than its `timeout`
    ├── ServiceError                    the service answered with a failure
    └── ClosedError                     used after close, from another event loop, or while the interpreter exits

    InvalidInput (ValueError)           also raised for invalid inference input by model servers
    ModelNotFound, InferenceError       names of the KServe API; sealift itself does not raise them

A backend raises an error that says what happened; whoever knows the URI adds it with `about`. `retryable` is the
backend's verdict; the one retry loop (`sealift.runtime.retry`) acts on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Self

__all__ = [
    "AccessDenied",
    "ArchiveError",
    "ClosedError",
    "DeadlineExceeded",
    "IncompleteError",
    "InferenceError",
    "IntegrityError",
    "InvalidConfig",
    "InvalidInput",
    "InvalidURI",
    "LocalIOError",
    "ModelMissingError",
    "ModelNotFound",
    "ObjectChanged",
    "ServiceError",
    "SkipReason",
    "Skipped",
    "StorageError",
    "TransportError",
    "UnsafeKey",
    "UnsupportedOperation",
]


_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


class StorageError(RuntimeError):
    """A transfer or a storage call failed.

    Args:
        cause: What happened, in a clause that can stand after a colon. Never holds a secret.
        hint: What the caller can do about it.
        operation: The verb that failed: "download", "list", "stat" …
        uri: The storage URI, without a query or credentials.
        status: The HTTP status of the reply that told of the failure.
        code: The service's own name for the failure, such as "NoSuchKey".
        retryable: Whether the same request may succeed a moment later.
        retry_after: Seconds that the service asked to wait before that.

    Attributes:
        attempts: How often the request that failed is sent at most, where the service's own configuration says.

    Example:
        >>> str(StorageError("the bucket does not exist", operation="download", uri="s3://b/k", hint="check its name"))
        'download s3://b/k: the bucket does not exist (check its name)'
    """

    attempts: int | None = None

    def __init__(
        self,
        cause: str,
        *,
        hint: str | None = None,
        operation: str | None = None,
        uri: str | None = None,
        status: int | None = None,
        code: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.hint = hint
        self.operation = operation
        self.uri = uri
        self.status = status
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after

    def about(self, operation: str, uri: str) -> Self:
        """Fill in what failed and where, unless an inner layer already said it, and return this error.

        Args:
            operation: The verb that failed.
            uri: The storage URI, without a query or credentials.
        """
        self.operation = self.operation or operation
        self.uri = self.uri or uri
        return self

    def __str__(self) -> str:
        subject = " ".join(part for part in (self.operation, self.uri) if part)
        text = f"{subject}: {self.cause}" if subject else self.cause
        # A key, or what a service says, could otherwise forge a line of a log, or speak to a terminal.
        return (f"{text} ({self.hint})" if self.hint else text).translate(_ESCAPED)


class InvalidInput(ValueError):
    """An argument that cannot be used.

    Args:
        reason: Why.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidURI(StorageError, InvalidInput):
    """A text that is not a storage URI; the message says what is wrong with it."""

    def __init__(self, cause: str, *, hint: str | None = None, uri: str | None = None) -> None:
        super().__init__(cause, hint=hint, uri=uri)
        self.reason = cause


class InvalidConfig(StorageError, InvalidInput):
    """A configuration, limit or argument that cannot be used."""

    def __init__(self, cause: str, *, hint: str | None = None) -> None:
        super().__init__(cause, hint=hint)
        self.reason = cause


class ModelMissingError(StorageError, FileNotFoundError):
    """No such object, prefix, bucket or file.

    Args:
        path: The missing thing; with `cause`, only the text of the error is taken from that.
    """

    def __init__(
        self,
        path: str,
        *,
        cause: str | None = None,
        hint: str | None = None,
        uri: str | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(cause or f"{path} does not exist", hint=hint, uri=uri, status=status, code=code)
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled with its args, and those hold the cause, not the path.
        return partial(type(self), self.path, cause=self.cause), (), vars(self)


class AccessDenied(StorageError, PermissionError):
    """The credentials are wrong, absent, expired, or not allowed to do this."""


class UnsupportedOperation(StorageError):
    """This kind of storage cannot do this."""


class ObjectChanged(StorageError):
    """The object was replaced while it was being read; nothing of the mixture was kept."""


class IntegrityError(StorageError):
    """The bytes that arrived are not the bytes that the service says it stored."""


class ArchiveError(StorageError):
    """What was to be unpacked is no archive, is damaged or encrypted, or would grow without bounds."""


class UnsafeKey(StorageError):
    """A key would leave the target directory, cannot be a file name, or lands on the path of another key."""


SkipReason = Literal[
    "broken link",
    "loop",
    "special file",
    "unreadable file",
    "unreadable directory",
    "vanished",
    "empty directory",
    "not deleted",
]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, directory or object that a call left out or left behind.

    Attributes:
        key: Its key; of a directory without a trailing "/".
        reason: The kind of problem.
        cause: What is wrong with it, to stand after "KEY: ".
        error: The error that it would be by itself, where a service has reported one.
    """

    key: str
    reason: SkipReason
    cause: str
    error: StorageError | None = field(default=None, compare=False)


# How many of the skipped an error names.
_NAMED = 3


class IncompleteError(StorageError):
    """The call did everything else, but had to skip some files or objects.

    Args:
        cause: What the call could not do.
        skipped: All of them, in no particular order. The message names the first few.
        under: The prefix of their keys that the message leaves out.
    """

    def __init__(self, cause: str, skipped: Sequence[Skipped] = (), *, under: str = "") -> None:
        named = "; ".join(f"{each.key.removeprefix(under) or each.key}: {each.cause}" for each in skipped[:_NAMED])
        more = f"; and {len(skipped) - _NAMED:,} more" if len(skipped) > _NAMED else ""
        super().__init__(f"{cause}: {named}{more}" if named else cause)
        self.skipped = tuple(skipped)


class LocalIOError(StorageError):
    """The local disk refused: full, read-only, not a directory, no permission …"""


class TransportError(StorageError):
    """No connection, a broken one, a stalled one, or a reply that is not HTTP."""


class DeadlineExceeded(StorageError, TimeoutError):
    """The call took longer than its `timeout`; it was cancelled, and what it had not finished has no final name."""


class ServiceError(StorageError):
    """The service answered with a failure that no narrower class names."""


class ClosedError(StorageError):
    """Used after it was closed, from another event loop, or while the interpreter exits."""


class ModelNotFound(Exception):
    """A model that a server was asked for does not exist.

    Args:
        model_name: The model's name.
    """

    def __init__(self, model_name: str | None = None) -> None:
        super().__init__(model_name)
        self.model_name = model_name

    def __str__(self) -> str:
        return f"Model with name {self.model_name} does not exist." if self.model_name else "Model does not exist."


class InferenceError(RuntimeError):
    """An inference failed.

    Args:
        reason: Why.
        status: The error's status code.
        debug_details: More, for a developer.
    """

    def __init__(self, reason: str, status: str | None = None, debug_details: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.debug_details = debug_details

    def __str__(self) -> str:
        return self.reason if self.status is None else f"{self.reason} (status {self.status})"


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that ended a task group, with the others as notes."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [failures]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending[:0] = error.exceptions
        else:
            flat.append(error)
    first, *others = sorted(flat, key=lambda error: isinstance(error, StorageError), reverse=True)
    for other in others[:5]:
        first.add_note(f"also: {other}")
    return first
