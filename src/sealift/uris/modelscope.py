"""modelscope:// URIs: repositories of models, in the syntax of KServe, then a verbatim path."""

import re

from ..errors import InvalidURI
from .location import Location
from .redaction import redacted
from .revision import decoded_revision

__all__ = ["parse_modelscope"]

_FORM = "modelscope://owner/name[:revision][/path]"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_URI = re.compile(rf"({_NAME}/{_NAME})(?:[:@]([^/]+))?(?:/(.*))?", re.DOTALL)


def parse_modelscope(text: str, rest: str) -> Location:
    """Parse a modelscope:// URI.

    Args:
        text: The whole URI.
        rest: The part after "://".

    Raises:
        InvalidURI: The repository or the revision is not valid.

    Example:
        >>> parse_modelscope("modelscope://owner/name:v1/a:b", "owner/name:v1/a:b").revision
        'v1'
    """
    matched = _URI.fullmatch(rest)
    if matched is None or ".." in matched[1]:
        raise InvalidURI("not a valid ModelScope repository", hint=_FORM, uri=redacted(text))
    revision = decoded_revision(matched[2]) if matched[2] else None
    if matched[2] and revision is None:
        hint = f"{_FORM}, and %2F for a slash in the revision"
        raise InvalidURI("the revision is not a valid Git name", hint=hint, uri=repr(redacted(text)))
    return Location("modelscope", matched[1], matched[3] or "", revision=revision)
