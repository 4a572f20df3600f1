"""Entries that a call skips: reported as events at once, raised as one error at the end."""

from collections.abc import Callable

from ..contract import Walk
from ..errors import IncompleteError, Skipped
from ..keys.patterns import Patterns
from ..types import Event, ObjectInfo, OnEvent

__all__ = ["OnSkip", "SkipReport", "as_prefix", "report_kept"]

OnSkip = Callable[[Skipped], None]

# Failures that are kept for the error. All of them are reported as events.
_KEPT = 1000


def as_prefix(key: str) -> str:
    """The prefix of the keys below a key: the key with a final "/"."""
    return key if not key or key.endswith("/") else f"{key}/"


def report_kept(obj: ObjectInfo, target: str, on_event: OnEvent | None) -> None:
    """Report an object that stays because the destination has one of its name.

    Args:
        obj: The object at the source.
        target: Its key at the destination.
        on_event: Receives the event.
    """
    if on_event is not None:
        on_event(Event("kept", obj.key, obj.size or 0, target=target))


class SkipReport:
    """Collects the entries that a call skips.

    Args:
        patterns: Entries that they exclude are not reported.
        key: Key of the prefix or directory that is listed.
        on_event: Called with a "skipped" event for each reported entry.
        on_skip: Called with each entry, whether the patterns match it or not.
        follow: As in `Walk`.
        links: As in `Walk`.
        copying: Whether a file that cannot be copied is a failure. False: only a directory that cannot be listed is.
        destination: The entries are at the destination.
        avoid: As in `Walk`.

    Attributes:
        pruned: Whether a directory was not entered because the patterns exclude everything below it.
        walk: How the backend lists directories.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        patterns: Patterns,
        key: str,
        on_event: OnEvent | None = None,
        *,
        on_skip: OnSkip | None = None,
        follow: bool = True,
        links: bool = True,
        copying: bool = True,
        destination: bool = False,
        avoid: str = "",
    ) -> None:
        self._patterns = patterns
        self._prefix = as_prefix(key)
        self._on_event = on_event
        self._on_skip = on_skip
        self.pruned = False
        self._failed: list[Skipped] = []  # the first ones
        self._failures = 0
        self._copying = copying
        self._destination = destination
        readable = follow and copying
        self.walk = Walk(self._enter, self._skip, follow=follow, links=links, readable=readable, exclude=avoid)

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
            if skipped.reason == "symbolic link":  # the caller has asked for it
                self.note(skipped)
            elif self._copying or skipped.reason == "loop":
                self.fail(skipped)
            else:
                self.note(skipped)

    def note(self, skipped: Skipped) -> None:
        """Report an entry whose omission is expected."""
        if self._on_event is not None:
            target = skipped.key if self._destination else ""
            self._on_event(Event("skipped", skipped.key, target=target, reason=skipped.cause, error=skipped.error))

    def fail(self, skipped: Skipped) -> None:
        """Report an entry whose omission is a failure."""
        self._failures += 1
        if len(self._failed) < _KEPT:
            self._failed.append(skipped)
        self.note(skipped)

    def check(self, cause: str) -> None:
        """Raise if any omission was a failure.

        Args:
            cause: What the call could not do.

        Raises:
            IncompleteError: It lists them.
        """
        if self._failed:
            raise IncompleteError(cause, self._failed, under=self._prefix, count=self._failures)

    def check_removal(self, removed: int) -> None:
        """Raise if a removal was incomplete; if nothing was removed, raise the first failure itself.

        Args:
            removed: Number of objects that were removed.
        """
        first = self._failed[0].error if self._failed else None
        if first is not None and not removed:
            raise first
        self.check("could not remove everything")
