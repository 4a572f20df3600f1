"""Select paths by allow and ignore patterns. No I/O."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from ..frozen_dataclass import dataclass
from ..types.argument_checks import checked_items, wrong_type

__all__ = ["Patterns"]

_LITERAL = r"[^*?\[]*"


@dataclass(frozen=True, slots=True)
class Patterns:
    """Select paths that match an allow pattern and no ignore pattern. Syntax as in `fnmatch`; "*" also matches "/".

    A pattern that ends in "/" means everything below that directory, as in huggingface_hub and .gitignore.

    Args:
        allow: Allow patterns. None: all paths.
        ignore: Ignore patterns.

    Example:
        >>> Patterns.of("*.json", ignore=None).matches("tokenizer/vocab.json")
        True
    """

    allow: tuple[str, ...] | None
    ignore: tuple[str, ...]

    @classmethod
    def of(cls, allow: Iterable[str] | str | None, ignore: Iterable[str] | str | None) -> "Patterns":
        """Build patterns from a single pattern, several, or None.

        Raises:
            InvalidConfig: They are something else.
        """

        def as_tuple(name: str, patterns: Iterable[str] | str) -> tuple[str, ...]:
            given = (patterns,) if isinstance(patterns, str) else tuple(checked_items(name, patterns))
            for each in given:
                if not isinstance(each, str):
                    raise wrong_type(name, each, "patterns of type str")
            return tuple(f"{pattern}*" if pattern.endswith("/") else pattern for pattern in given)

        return cls(
            None if allow is None else as_tuple("allow_patterns", allow),
            () if ignore is None else as_tuple("ignore_patterns", ignore),
        )

    @property
    def match_all(self) -> bool:
        """Whether all paths are selected."""
        return self.allow is None and not self.ignore

    def matches(self, path: str) -> bool:
        """Check whether a path is selected."""
        if self.match_all:
            return True
        if self.allow is not None and not any(fnmatchcase(path, pattern) for pattern in self.allow):
            return False
        return not any(fnmatchcase(path, pattern) for pattern in self.ignore)

    def may_match_below(self, directory: str) -> bool:
        """Check whether any path below a directory can be selected; if not, it need not be listed.

        Example:
            >>> Patterns.of(None, ignore="lost+found/*").may_match_below("lost+found")
            False
        """
        start = f"{directory}/"
        if any(pattern.endswith("*") and fnmatchcase(start, pattern) for pattern in self.ignore):
            return False  # the trailing "*" matches everything below
        return self.allow is None or any(_pattern_may_match_below(pattern, start) for pattern in self.allow)


def _pattern_may_match_below(pattern: str, start: str) -> bool:
    match = re.match(_LITERAL, pattern)
    literal = match[0] if match else ""
    return literal.startswith(start) or (literal != pattern and start.startswith(literal))
