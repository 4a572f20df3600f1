"""Patterns in URIs, such as `s3://ml-models/llama/*.json`."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from ..config import StorageConfig
from ..errors import ModelMissingError
from ..keys.paths import is_directory_marker
from ..uri import parse
from .arguments import Argument

if TYPE_CHECKING:
    from ..api.async_storage import AsyncStorage

__all__ = ["is_object", "matching_objects", "split_pattern", "with_pattern"]

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


async def matching_objects(storage: "AsyncStorage", uri: str, config: StorageConfig | None) -> AsyncGenerator[str]:
    """Yield the URIs of the objects that a pattern matches, or the URI itself if it is none.

    Raises:
        ModelMissingError: The pattern matches nothing.
    """
    split = split_pattern(uri)
    if split is None or await is_object(storage, uri, config):
        yield uri
        return
    base, pattern = split
    prefix, found = Argument.of(base), False
    async with aclosing(storage.list(base, config=config, allow_patterns=pattern)) as objects:
        async for obj in objects:
            if not is_directory_marker(obj.key, obj.size):
                found = True
                yield f"{base}{prefix.relative_path(obj.key)}"
    if not found:
        raise ModelMissingError(uri, cause=f"no object matches the pattern {pattern!r}").about("read", uri)


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
