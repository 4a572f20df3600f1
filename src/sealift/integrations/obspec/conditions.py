"""The conditions and the range of a `get`: `obspec.GetOptions`.

The conditions are those of HTTP: https://www.rfc-editor.org/rfc/rfc9110#section-13.1
"""

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidConfig
from ...types import ObjectInfo
from .exceptions import NotModifiedError, NotSupportedError, PreconditionError

__all__ = ["check_conditions", "requested_range"]


def check_conditions(obj: ObjectInfo, options: Mapping[str, Any]) -> None:
    """Check the conditions of a call against an object.

    Raises:
        PreconditionError: It does not meet `if_match` or `if_unmodified_since`.
        NotModifiedError: It does not meet `if_none_match` or `if_modified_since`.
    """
    if (tags := options.get("if_match")) is not None:
        if not _matches(obj.etag, tags):
            raise PreconditionError(f"the ETag is {obj.etag}")
    elif (time := options.get("if_unmodified_since")) is not None and obj.modified is not None and obj.modified > time:
        raise PreconditionError(f"the object was modified at {obj.modified}")
    if (tags := options.get("if_none_match")) is not None:
        if _matches(obj.etag, tags):
            raise NotModifiedError(f"the ETag is {obj.etag}")
    elif (time := options.get("if_modified_since")) is not None and obj.modified is not None and obj.modified <= time:
        raise NotModifiedError(f"the object was modified at {obj.modified}")


def requested_range(obj: ObjectInfo, options: Mapping[str, Any]) -> tuple[int, int]:
    """The range of a call, as offsets of its first byte and after its last one.

    Raises:
        InvalidConfig: It is empty, or begins after the end of the object.
        NotSupportedError: The server does not report the size.
    """
    if obj.size is None:
        raise NotSupportedError("the server does not report the size of the object")
    if options.get("head"):
        return 0, 0
    wanted = options.get("range")
    if wanted is None:
        return 0, obj.size
    if isinstance(wanted, Mapping):
        start = wanted["offset"] if "offset" in wanted else max(obj.size - wanted["suffix"], 0)
        end = obj.size
    else:
        start, end = wanted
    end = min(end, obj.size)
    if not 0 <= start < end:
        raise InvalidConfig(f"the range {wanted} is empty, or begins after the end of the object")
    return start, end


def _matches(tag: str | None, wanted: str) -> bool:
    return wanted.strip() == "*" or (tag is not None and tag in {each.strip() for each in wanted.split(",")})
