"""Patterns in URIs, such as `s3://ml-models/llama/*.json`."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..config import StorageConfig
from ..errors import ModelMissingError
from ..uri import parse

if TYPE_CHECKING:
    from ..api.async_storage import AsyncStorage

__all__ = ["is_object", "split_pattern", "with_pattern"]

_MAGIC = re.compile(r"[*?\[]")
# "?" begins the query of a URL, and servers have no listing. In local paths, the shell replaces patterns.
_WITHOUT_PATTERNS = {"http", "https", "file", "pvc"}


def split_pattern(uri: str) -> tuple[str, str] | None:
    """Split a URI at the last "/" before its pattern; "*" also matches "/", as in --include.

    Returns:
        The prefix to search, and the pattern relative to it. None: there is no pattern.

    Example:
        >>> split_pattern("s3://ml-models/llama/*.json"), split_pattern("s3://ml-models/llama/")
        (('s3://ml-models/llama/', '*.json'), None)
    """
    location, magic = parse(uri), _MAGIC.search(uri)
    if location.scheme in _WITHOUT_PATTERNS or magic is None or not _MAGIC.search(location.key):
        return None
    end = uri.rindex("/", 0, magic.start()) + 1
    return uri[:end], uri[end:]


async def is_object(storage: "AsyncStorage", uri: str, config: StorageConfig | None) -> bool:
    """Whether there is an object or file of this very name."""
    try:
        found = await storage.get_object_metadata(uri, config=config)
    except ModelMissingError:
        return False
    return bool(found["type"] == "object")


async def with_pattern(
    storage: "AsyncStorage", uri: str, config: StorageConfig | None, include: Sequence[str]
) -> tuple[str, Sequence[str]]:
    """Return what to list for a URI: itself, or the prefix of its pattern. An object of this very name wins.

    Args:
        storage: The storage.
        uri: The URI.
        config: Its configuration.
        include: The patterns of --include.

    Returns:
        The URI to list, and the patterns that objects must match.

    Raises:
        UsageError: There is a pattern, and --include.
    """
    split = split_pattern(uri)
    if split is None or await is_object(storage, uri, config):
        return uri, include
    if include:
        raise click.UsageError("a pattern in the URI and --include cannot be combined")
    return split[0], (split[1],)
