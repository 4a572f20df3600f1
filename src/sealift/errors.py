"""The error tree.

    StorageError (RuntimeError)         any failure of a transfer or a storage call
    ├── InvalidURI (InvalidInput)       not a valid storage URI
    ├── InvalidConfig (InvalidInput)    an invalid configuration, limit or argument
    ├── ModelMissingError (FileNotFoundError)   no such object, prefix, bucket or file
    ├── AccessDenied (PermissionError)  credentials are missing, invalid, expired or not authorized
    ├── UnsupportedOperation            this kind of storage does not support the operation
    ├── ObjectChanged                   the object was replaced while it was being read
    ├── ObjectExists (FileExistsError)  the destination exists, and `existing="fail"` was given
    ├── IntegrityError                  the received bytes do not match the checksum
    ├── SignatureError (IntegrityError)  the model is not as it was signed, or the signature is not valid
    ├── ArchiveError                    not an archive, damaged, encrypted, or larger than `Unpack` allows
    ├── TensorFileError                 not a safetensors file, or one with a header or an index that is not valid
    ├── UnsafeKey                       a key maps outside the target directory or conflicts with another key
    ├── IncompleteError                 some files or objects were skipped; everything else succeeded
    ├── LocalIOError                    a local file operation failed: disk full, read-only, not a directory …
    ├── TransportError                  the connection failed, broke or stalled
    ├── DeadlineExceeded (TimeoutError)  the call exceeded its `timeout`
    ├── ServiceError                    the service returned any other error
    └── ClosedError                     used after close, in two event loops at once, or during interpreter shutdown

    InvalidInput (ValueError)           also raised by model servers for invalid inference input
    ModelNotFound, InferenceError       part of the KServe API; never raised by sealift itself

Backends raise errors that describe the cause; the caller that knows the URI adds it with `about`. Backends set
`retryable` but never retry: `sealift.runtime.retry` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Self

from .frozen_dataclass import dataclass
from .inference_errors import InferenceError, ModelNotFound

__all__ = [
    "AccessDenied", "ArchiveError", "ClosedError", "DeadlineExceeded", "IncompleteError", "InferenceError",
    "IntegrityError", "InvalidConfig", "InvalidInput", "InvalidURI", "LocalIOError", "ModelMissingError",
    "ModelNotFound", "ObjectChanged", "ObjectExists", "ServiceError", "SignatureError", "SkipReason", "Skipped",
    "StorageError", "TensorFileError", "TransportError", "UnsafeKey", "UnsupportedOperation",
]  # fmt: skip

_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


class StorageError(RuntimeError):
    """A transfer or a storage call failed.

    Args:
        cause: The cause, as a clause that reads well after a colon. Must not contain secrets.
        hint: How the caller can fix it.
        operation: The operation that failed: "download", "list", "stat" …
        uri: The storage URI, without query and credentials.
        status: HTTP status of the error response.
        code: The service's error code, such as "NoSuchKey".
        retryable: Whether the same request may succeed if it is retried.
        retry_after: Delay in seconds requested by the service (`Retry-After`).
        throttled: Whether the service asks for fewer requests.
        host: Host and port that did not answer, or answered with an error.

    Attributes:
        attempts: Maximum number of attempts for this request, if the service's own configuration sets one.
        quota_used_up: Whether the caller has used up a quota, which the service renews in `retry_after` seconds.
        given_up: For an error that was retried: how often and for how long, as a clause that ends the message.
        request_ids: The IDs of the request that the service's support asks for, by response header, such as
            `x-amz-request-id`.

    Example:
        >>> str(StorageError("the bucket does not exist", operation="download", uri="s3://b/k", hint="check its name"))
        'download s3://b/k: the bucket does not exist (check its name)'
    """

    attempts: int | None = None
    quota_used_up: bool = False
    given_up: str = ""
    request_ids: Mapping[str, str] = MappingProxyType({})

    def __init__(  # noqa: PLR0913 - the facts about an error, each by its name
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
        throttled: bool = False,
        host: str | None = None,
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
        self.throttled = throttled
        self.host = host

    def about(self, operation: str, uri: str) -> Self:
        """Set the operation and the URI unless an inner layer has set them, and return this error.

        Args:
            operation: The operation that failed.
            uri: The storage URI, without query and credentials.
        """
        self.operation = self.operation or operation
        self.uri = self.uri or uri
        return self

    def __str__(self) -> str:
        return self.message(self.hint)

    def message(self, hint: str | None) -> str:
        """Return the text of this error with another hint: the command line names its options instead of arguments.

        Args:
            hint: The hint; None: the text has none.
        """
        subject = " ".join(part for part in (self.operation, self.uri) if part)
        text = f"{subject}: {self.cause}" if subject else self.cause
        text = f"{text} ({hint})" if hint else text
        text = f"{text}; {self.given_up}" if self.given_up else text
        ids = ", ".join(f"{name} {value}" for name, value in self.request_ids.items())
        text = f"{text} [{ids}]" if ids else text
        # Keys and service messages are untrusted: escape control characters (log injection, terminal escapes), and lone
        # surrogates, which cannot be printed.
        return text.encode(errors="backslashreplace").decode().translate(_ESCAPED)


class InvalidInput(ValueError):
    """An invalid argument.

    Args:
        reason: Why it is invalid.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InvalidURI(StorageError, InvalidInput):
    """Not a valid storage URI; the message gives the reason."""

    def __init__(self, cause: str, *, hint: str | None = None, uri: str | None = None) -> None:
        super().__init__(cause, hint=hint, uri=uri)
        self.reason = cause


class InvalidConfig(StorageError, InvalidInput):
    """An invalid configuration, limit or argument."""

    def __init__(self, cause: str, *, hint: str | None = None) -> None:
        super().__init__(cause, hint=hint)
        self.reason = cause


class ModelMissingError(StorageError, FileNotFoundError):
    """No such object, prefix, bucket or file.

    Args:
        path: The missing object, prefix, bucket or file.
        cause: The message. None: "PATH does not exist".
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
        # By default an exception is rebuilt from `args`, which hold the cause instead of the path.
        return partial(type(self), self.path, cause=self.cause), (), vars(self)


class AccessDenied(StorageError, PermissionError):
    """The credentials are missing, invalid, expired or not authorized for this operation."""


class UnsupportedOperation(StorageError):
    """This kind of storage does not support the operation."""


class ObjectChanged(StorageError):
    """The object was replaced while it was being read. No mixture of versions is kept."""


class ObjectExists(StorageError, FileExistsError):
    """The destination has an object or a file of this name, which the call must not replace."""


class IntegrityError(StorageError):
    """The received bytes do not match the checksum that the service stores."""


class SignatureError(IntegrityError):
    """The signature of a model is not valid, or the model is not what was signed."""


class ArchiveError(StorageError):
    """Not an archive, damaged, encrypted, or larger than `Unpack` allows."""


class TensorFileError(StorageError):
    """Not a safetensors file, or one with a header or an index that is not valid. Nothing of it is returned."""


class UnsafeKey(StorageError):
    """A key maps outside the target directory, is not a valid file name, or conflicts with another key."""


SkipReason = Literal[
    "broken link", "loop", "special file", "unreadable file", "unreadable directory", "vanished", "empty directory",
    "not deleted", "not copied", "symbolic link",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, directory or object that a call skipped.

    Attributes:
        key: Its key; for a directory, without a trailing "/".
        reason: The kind of problem.
        cause: The cause, worded to follow "KEY: ".
        error: The error that the service reported for this key, if any.
    """

    key: str
    reason: SkipReason
    cause: str
    error: StorageError | None = field(default=None, compare=False)


# Number of skipped keys quoted in the message.
_QUOTED = 3


class IncompleteError(StorageError):
    """Some files or objects were skipped; everything else succeeded.

    Args:
        cause: What failed, as a summary.
        skipped: The skipped files and objects, in no particular order; the first 1,000 if there are more. The message
            quotes the first few.
        under: Common key prefix, left out of the message.
        count: Number of all skipped files and objects. None: those in `skipped`.
    """

    def __init__(
        self, cause: str, skipped: Sequence[Skipped] = (), *, under: str = "", count: int | None = None
    ) -> None:
        count = len(skipped) if count is None else count
        quoted = "; ".join(f"{each.key.removeprefix(under) or each.key}: {each.cause}" for each in skipped[:_QUOTED])
        more = f"; and {count - _QUOTED:,} more" if count > _QUOTED else ""
        super().__init__(f"{cause}: {quoted}{more}" if quoted else cause)
        self.skipped = tuple(skipped)
        self.count = count


class LocalIOError(StorageError):
    """A local operation failed: disk full, read-only, not a directory, permission denied, no more threads allowed …"""


class TransportError(StorageError):
    """The connection failed, broke or stalled, or the response was not HTTP."""


class DeadlineExceeded(StorageError, TimeoutError):
    """The call exceeded its `timeout` and was cancelled. Unfinished files are not published."""


class ServiceError(StorageError):
    """The service returned an error that no more specific class covers."""


class ClosedError(StorageError):
    """Used after close, in two event loops at once, or during interpreter shutdown."""


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the exception to raise for a failed task group: a `StorageError` if any, with the others as notes."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [failures]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending[:0] = error.exceptions
        elif error not in flat:  # several tasks may have waited for what failed
            flat.append(error)
    first, *others = sorted(flat, key=lambda error: isinstance(error, StorageError), reverse=True)
    for other in others[:5]:
        first.add_note(f"also: {other}")
    return first
