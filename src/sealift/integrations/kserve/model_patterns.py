"""The patterns of a call: its arguments, or those of the pod's environment."""

import json
from collections.abc import Iterable, Mapping

from ...keys.patterns import Patterns

__all__ = ["of_repository", "patterns_of"]


def patterns_of(
    environ: Mapping[str, str], allow: Iterable[str] | str | None, ignore: Iterable[str] | str | None
) -> Patterns:
    """The patterns of a call. An empty list is the same as none.

    Args:
        environ: Environment with `STORAGE_ALLOW_PATTERNS` and `STORAGE_IGNORE_PATTERNS`: a JSON list, or patterns
            separated by commas.
        allow: Patterns of the files to download. None: those of the environment.
        ignore: Patterns of the files to leave out. None: those of the environment.

    Example:
        >>> patterns_of({"STORAGE_ALLOW_PATTERNS": '["*.json", "*.safetensors"]'}, None, []).allow
        ('*.json', '*.safetensors')
    """
    if allow is None:
        allow = _from_variable(environ.get("STORAGE_ALLOW_PATTERNS", ""))
    if ignore is None:
        ignore = _from_variable(environ.get("STORAGE_IGNORE_PATTERNS", ""))
    patterns = Patterns.of(allow, ignore)
    return Patterns.of(patterns.allow or None, patterns.ignore)


def of_repository(patterns: Patterns) -> Patterns:
    """The patterns for a hub, where "sub/" stands for everything below it, as in huggingface_hub.

    Source: https://huggingface.co/docs/huggingface_hub/guides/download#filter-files-to-download
    """
    allow = None if patterns.allow is None else map(_below, patterns.allow)
    return Patterns.of(allow, map(_below, patterns.ignore))


def _below(pattern: str) -> str:
    return f"{pattern}*" if pattern.endswith("/") else pattern


def _from_variable(text: str) -> list[str] | None:
    text = text.strip()
    try:
        content = json.loads(text) if text else None
    except ValueError:
        content = text.split(",")
    if content is None:
        return None
    items = content if isinstance(content, list) else [content]
    return [item for item in (str(each).strip() for each in items) if item] or None
