"""The patterns of a call: its arguments, or those of the pod's environment."""

import glob
import json
from collections.abc import Iterable, Iterator, Mapping

from ...keys.patterns import Patterns
from ...types.argument_checks import checked_items

__all__ = ["of_entries", "of_modelscope", "of_objects", "of_repository", "patterns_of"]

# Matches no path.
_NOTHING = "\0"


def patterns_of(
    environ: Mapping[str, str], allow: Iterable[str] | str | None, ignore: Iterable[str] | str | None
) -> Patterns:
    """The patterns of a call, as they are written. An empty list or text is the same as none.

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
    given = [_as_tuple("allow_patterns", allow), _as_tuple("ignore_patterns", ignore)]
    Patterns.of(*given)  # checks that all are strings
    return Patterns(given[0] or None, given[1])


def _as_tuple(name: str, patterns: Iterable[str] | str | None) -> tuple[str, ...]:
    if patterns is None or isinstance(patterns, str):
        return (patterns,) if patterns else ()
    return tuple(checked_items(name, patterns))


def of_repository(patterns: Patterns) -> Patterns:
    """The patterns for a repository or an image, where "sub/" stands for everything below it, as in huggingface_hub.

    Source: https://huggingface.co/docs/huggingface_hub/guides/download#filter-files-to-download
    """
    return Patterns.of(patterns.allow, patterns.ignore)


def of_objects(patterns: Patterns) -> Patterns:
    """The patterns for all other storages, where "sub/" matches nothing, because no path ends in a slash."""
    ignore = [pattern for pattern in patterns.ignore if not pattern.endswith("/")]
    if patterns.allow is None:
        return Patterns.of(None, ignore)
    return Patterns.of([pattern for pattern in patterns.allow if not pattern.endswith("/")] or [_NOTHING], ignore)


def of_modelscope(patterns: Patterns) -> Patterns:
    """The patterns for ModelScope: an item may be several, separated by commas, and ".*" also means "*".

    Source: https://github.com/modelscope/modelscope_hub (`utils/patterns.py`, `_download.py`)

    Example:
        >>> of_modelscope(Patterns(("*.json, model.*",), ())).allow
        ('*.json', 'model.*', 'model*')
    """

    def items(given: Iterable[str]) -> Iterator[str]:
        for pattern in (part.strip() for item in given for part in item.split(",")):
            yield from dict.fromkeys([pattern, pattern.replace(".*", "*")]) if pattern else ()

    return of_objects(Patterns(tuple(items(patterns.allow or ())) or None, tuple(items(patterns.ignore))))


def of_entries(patterns: Patterns, names: Iterable[str]) -> Patterns:
    """The patterns that select entries of a directory as a whole: those whose names match, and all that is below.

    Args:
        patterns: The patterns of names.
        names: The names of files and directories.

    Example:
        >>> of_entries(Patterns.of(None, "*.md"), ["onnx", "about.md"]).allow
        ('onnx', 'onnx/*')
    """
    selected = [glob.escape(name) for name in names if patterns.matches(name)]
    return Patterns.of([each for name in selected for each in (name, f"{name}/*")] or [_NOTHING], None)


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
