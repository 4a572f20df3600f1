"""Revisions in URIs: branches, tags and commits of Git repositories."""

import re
from urllib.parse import unquote

__all__ = ["decoded_revision"]

# https://git-scm.com/docs/git-check-ref-format
_INVALID = re.compile(r"[\0-\x20\x7f\ud800-\udfff~^:?*\[\\]|\.\.|@\{|//|^[/.-]|[/.]$|/\.|\.lock(/|$)")


def decoded_revision(text: str) -> str | None:
    """Decode a percent-encoded revision; None: it is not valid.

    Example:
        >>> decoded_revision("feature%2Fx"), decoded_revision("a..b")
        ('feature/x', None)
    """
    try:
        revision = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None
    return None if not revision or _INVALID.search(revision) else revision
