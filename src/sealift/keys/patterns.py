"""Which paths below a prefix are wanted. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["Patterns"]

_LITERAL = re.compile(r"[^*?\[]*")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Those that match an allowed pattern and no ignored one, as in `fnmatch`; "*" takes "/" too.

    Args:
        allow: None: everything.
        ignore: None: nothing.

    Example:
        >>> Patterns.of("*.json", ignore=None).let("tokenizer/vocab.json")
        True
    """

    allow: tuple[str, ...] | None
    ignore: tuple[str, ...]

    @classmethod
    def of(cls, allow: Iterable[str] | str | None, ignore: Iterable[str] | str | None) -> "Patterns":
        """From what a caller gives: one pattern, several, or None."""

        def several(given: Iterable[str] | str) -> tuple[str, ...]:
            return (given,) if isinstance(given, str) else tuple(given)

        return cls(None if allow is None else several(allow), several(ignore or ()))

    def let(self, path: str) -> bool:
        """Whether this path is wanted."""
        if self.allow is not None and not any(fnmatchcase(path, pattern) for pattern in self.allow):
            return False
        return not any(fnmatchcase(path, pattern) for pattern in self.ignore)

    def enter(self, directory: str) -> bool:
        """Whether a path below this directory may be wanted.

        Example:
            >>> Patterns.of(None, ignore="lost+found/*").enter("lost+found")
            False
        """
        start = f"{directory}/"
        if any(pattern.endswith("*") and fnmatchcase(start, pattern) for pattern in self.ignore):
            return False  # the last "*" matches whatever follows
        return self.allow is None or any(_may_match_below(pattern, start) for pattern in self.allow)


def _may_match_below(pattern: str, start: str) -> bool:
    match = _LITERAL.match(pattern)
    literal = match[0] if match else ""
    return literal.startswith(start) or (literal != pattern and start.startswith(literal))
