"""Entries that a call skips: reported as events at once, raised as one error at the end."""

from collections.abc import Callable

from ..contract import Walk
from ..errors import IncompleteError, Skipped
from ..keys.patterns import Patterns
from ..types import Event, OnEvent

__all__ = ["OnSkip", "SkipReport", "as_prefix"]

OnSkip = Callable[[Skipped], None]


def as_prefix(key: str) -> str:
    """The prefix of the keys below a key: the key with a final "/"."""
    return key if not key or key.endswith("/") else f"{key}/"


class SkipReport:
    """Collects the entries that a call skips.

    Args:
        patterns: Entries that they exclude are not reported.
        key: Key of the prefix or directory that is listed.
        on_event: Called with a "skipped" event for each reported entry.
        on_skip: Called with each entry, whether the patterns match it or not.
        follow: As in `Walk`.
        copying: Whether a file that cannot be copied is a failure. False: only a directory that cannot be listed is.
        destination: The entries are at the destination.
        avoid: As in `Walk`.

    Attributes:
        pruned: Whether a directory was not entered because the patterns exclude everything below it.
        walk: How the backend lists directories.
    """

    def __init__(
        self,
        patterns: Patterns,
        key: str,
        on_event: OnEvent | None = None,
        *,
        on_skip: OnSkip | None = None,
        follow: bool = True,
        copying: bool = True,
        destination: bool = False,
        avoid: str = "",
    ) -> None:
        self._patterns = patterns
        self._prefix = as_prefix(key)
        self._on_event = on_event
        self._on_skip = on_skip
        self.pruned = False
        self._failed: list[Skipped] = []
        self._copying = copying
        self._destination = destination
        self.walk = Walk(self._enter, self._skip, follow=follow, readable=follow and copying, exclude=avoid)

    def _enter(self, directory: str) -> bool:
        enters = self._patterns.may_match_below(directory[len(self._prefix) :])
        self.pruned = self.pruned or not enters
        return enters

    def _skip(self, skipped: Skipped) -> None:
        if self._on_skip is not None:
            self._on_skip(skipped)
        # The content of an unreadable directory is unknown, and the patterns allowed entering it.
        if skipped.reason == "unreadable directory":
            self.fail(skipped)
        elif self._patterns.matches(skipped.key[len(self._prefix) :]):
            if self._copying or skipped.reason == "loop":
                self.fail(skipped)
            else:
                self.note(skipped)

    def note(self, skipped: Skipped) -> None:
        """Report an entry whose omission is expected."""
        if self._on_event is not None:
            target = skipped.key if self._destination else ""
            self._on_event(Event("skipped", skipped.key, target=target, reason=skipped.cause))

    def fail(self, skipped: Skipped) -> None:
        """Report an entry whose omission is a failure."""
        self._failed.append(skipped)
        self.note(skipped)

    def check(self, cause: str) -> None:
        """Raise if any omission was a failure.

        Args:
            cause: What the call could not do.

        Raises:
            IncompleteError: It lists all of them.
        """
        if self._failed:
            raise IncompleteError(cause, self._failed, under=self._prefix)

    def check_removal(self, removed: int) -> None:
        """Raise if a removal was incomplete; if nothing was removed, raise the first failure itself.

        Args:
            removed: Number of objects that were removed.
        """
        first = self._failed[0].error if self._failed else None
        if first is not None and not removed:
            raise first
        self.check("could not remove everything")
