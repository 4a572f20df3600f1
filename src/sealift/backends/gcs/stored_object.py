"""Compare an object that the service has stored with what was sent."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import IntegrityError
from ...types import ObjectInfo
from . import replies

__all__ = ["stored_object"]


def stored_object(resource: Mapping[str, Any], key: str, size: int | None, crc: str | None) -> ObjectInfo:
    """The stored object or part according to a reply, with the CRC32C if it was compared.

    Args:
        resource: The object's resource in the reply.
        key: Key of the object.
        size: How many bytes were sent; None: unknown.
        crc: CRC32C of the bytes that were sent; None: unknown.

    Raises:
        IntegrityError: The stored bytes are not those that were sent.
    """
    info = replies.object_info(resource)
    reported = info.checksums.get("crc32c")
    if size not in {None, info.size} or (reported is not None and crc is not None and reported != crc):
        raise IntegrityError(f"the service has stored different bytes for {key!r} than were sent", retryable=True)
    return replace(info, key=key, checksums={"crc32c": crc} if crc is not None and reported is not None else {})
