"""What a caller sets on the objects that a call writes."""

from collections.abc import Collection, Mapping
from dataclasses import fields, replace

from ..errors import InvalidConfig, UnsupportedOperation
from ..frozen_dataclass import dataclass
from .argument_checks import wrong_type
from .properties import HEADERS, Properties, dropped

__all__ = ["HEADER_OPTIONS", "WriteOptions", "apply_options", "check_stored", "check_supported", "given_options"]

HEADER_OPTIONS = ("content_type", "content_encoding", "content_language", "content_disposition", "cache_control")
"""The options that every service with objects stores as headers."""

# Options that are sent as a header or a query parameter, as they are.
_TOKENS = ("storage_class", "acl", "sse", "kms_key_id", "encryption_scope")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What to store with the objects that a call writes: headers, user metadata, tags, storage class, encryption, ACL.

    None leaves the choice open: in a copy, the headers, user metadata and tags of the source; otherwise, the defaults
    of the bucket. An option that the destination does not have is an error, before anything is written. BACKENDS.md
    lists the options of each service.

    Args:
        content_type: Media type. None: that of the source, or by the extension of the name.
        content_encoding: Encoding of the bytes, such as "gzip". The bytes are stored as they are.
        content_language: Language of the content.
        content_disposition: File name and presentation for browsers.
        cache_control: Cache policy, such as "max-age=3600".
        expires: Expiry date for caches, as an HTTP date.
        metadata: User metadata; replaces all user metadata of the source.
        tags: Object tags; replace all tags of the source.
        storage_class: S3: such as "STANDARD_IA" or "INTELLIGENT_TIERING". Google Cloud Storage: such as "NEARLINE".
            Azure: the access tier, such as "Cool".
        acl: S3: a canned ACL, such as "bucket-owner-full-control". Google Cloud Storage: a predefined ACL, such as
            "bucketOwnerFullControl".
        sse: S3: server-side encryption, "AES256" (keys of S3), "aws:kms" or "aws:kms:dsse". None: the default of the
            bucket, or "aws:kms" with `kms_key_id` or `bucket_key`.
        kms_key_id: S3: ID, ARN or alias of a KMS key. Google Cloud Storage: resource name of a Cloud KMS key.
        bucket_key: S3: whether to use an S3 Bucket Key, which needs fewer requests to KMS.
        encryption_scope: Azure: name of an encryption scope.

    Raises:
        InvalidConfig: A value cannot be sent, or `sse="AES256"` is combined with a KMS key.

    Example:
        >>> WriteOptions(content_type="application/octet-stream", storage_class="STANDARD_IA").storage_class
        'STANDARD_IA'
    """

    content_type: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    expires: str | None = None
    metadata: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None
    storage_class: str | None = None
    acl: str | None = None
    sse: str | None = None
    kms_key_id: str | None = None
    bucket_key: bool | None = None
    encryption_scope: str | None = None

    def __post_init__(self) -> None:
        for name in (*HEADERS.values(), *_TOKENS):
            _check_text(name, getattr(self, name))
        if not isinstance(self.bucket_key, bool | None):
            raise InvalidConfig(f"WriteOptions(bucket_key={self.bucket_key!r}) is not True or False")
        for name in ("metadata", "tags"):
            _check_mapping(name, values := getattr(self, name))
            if values is not None:
                object.__setattr__(self, name, dict(values))  # the caller's may change, or not be a dict
        if self.sse == "AES256" and (self.kms_key_id is not None or self.bucket_key is not None):
            hint = 'use sse="aws:kms", or leave the key out'
            raise InvalidConfig('WriteOptions(sse="AES256") encrypts with a key of S3, not with a KMS key', hint=hint)


def _check_text(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value or value != value.strip() or not value.isprintable():
        hint = "pass a text without line breaks and without spaces at its ends; None leaves it out"
        raise InvalidConfig(f"WriteOptions({name}={value!r}) cannot be sent", hint=hint)
    if name in _TOKENS and not value.isascii():
        raise InvalidConfig(f"WriteOptions({name}={value!r}) is not ASCII")


def _check_mapping(name: str, values: object) -> None:
    if values is None:
        return
    if not isinstance(values, Mapping) or not all(isinstance(text, str) for pair in values.items() for text in pair):
        hint = f'write {name}={{"key": "value"}}'
        raise InvalidConfig(f"WriteOptions({name}=…) is not a mapping of texts", hint=hint)


def given_options(options: WriteOptions | None) -> tuple[str, ...]:
    """The names of the options that are set.

    Raises:
        InvalidConfig: They are not `WriteOptions`.
    """
    if options is None:
        return ()
    if not isinstance(options, WriteOptions):
        raise wrong_type("write_options", options, "WriteOptions(…)")
    return tuple(each.name for each in fields(options) if getattr(options, each.name) is not None)


def check_supported(options: WriteOptions | None, supported: Collection[str], scheme: str) -> None:
    """Check that a storage has all options that are set.

    Args:
        options: The options.
        supported: Names of the options that the storage has.
        scheme: Its URI scheme, for the message.

    Raises:
        UnsupportedOperation: It does not have one of them.
    """
    missing = [name for name in given_options(options) if name not in supported]
    if missing:
        names = ", ".join(f"{name}=…" for name in missing)
        storage = "a local path" if scheme == "file" else f"{scheme}://"
        hint = f"it has {', '.join(supported)}" if supported else "write to an object store, or leave the options out"
        raise UnsupportedOperation(f"{storage} does not support WriteOptions({names})", hint=hint)


def apply_options(options: WriteOptions | None, properties: Properties) -> Properties:
    """The properties to write with an object: those of its source, replaced by the options that are set."""
    if options is None:
        return properties
    names = (*HEADERS.values(), "metadata", "tags")
    chosen = {name: value for name in names if (value := getattr(options, name)) is not None}
    return replace(properties, **chosen, options=options)


def check_stored(properties: Properties, kept: Properties, scheme: str) -> None:
    """Check that a storage can store what the options of a call set.

    Args:
        properties: Properties to write.
        kept: Those of them that the storage can store.
        scheme: Its URI scheme, for the message.

    Raises:
        UnsupportedOperation: It cannot store one that the options set. Others are left out, as in any copy.
    """
    if properties.options is None:
        return
    lost = dropped(apply_options(properties.options, Properties()), kept)
    if lost:
        hint = "BACKENDS.md lists the names and values that it can store"
        raise UnsupportedOperation(f"{scheme}:// cannot store {', '.join(lost)} of WriteOptions", hint=hint)
