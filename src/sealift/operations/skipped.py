"""What one call leaves out: reported when it is found, and raised when the call ends."""

from collections.abc import Callable

from ..contract import Walk
from ..errors import IncompleteError, Skipped
from ..keys.patterns import Patterns
from ..types import Event, OnEvent

__all__ = ["OnSkip", "Skips", "under"]

OnSkip = Callable[[Skipped], None]


def under(key: str) -> str:
    """What the keys of the objects begin with that are below a key."""
    return key if not key or key.endswith("/") else f"{key}/"


class Skips:
    """Collects what a call skips.

    Args:
        patterns: What they exclude is not reported.
        key: Of the prefix or directory that is listed.
        on_event: Called with an event for each entry that is reported.
        on_skip: Called with each entry, whatever the patterns say.
        follow: As in `Walk`.
        copying: A file that cannot be copied is a failure. False: only what cannot be listed is.
        destination: The entries are those of the destination.
        avoid: `Walk.exclude`.

    Attributes:
        pruned: Whether a directory was not entered, as the patterns exclude everything below it.
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
        self._under = under(key)
        self._on_event = on_event
        self._on_skip = on_skip
        self.pruned = False
        self._failed: list[Skipped] = []
        self._copying = copying
        self._destination = destination
        self.walk = Walk(self._enter, self._skip, follow=follow, readable=follow and copying, exclude=avoid)

    def _enter(self, directory: str) -> bool:
        enters = self._patterns.may_match_below(directory[len(self._under) :])
        self.pruned = self.pruned or not enters
        return enters

    def _skip(self, skipped: Skipped) -> None:
        if self._on_skip is not None:
            self._on_skip(skipped)
        # What is in a directory that cannot be read is unknown: the patterns have let it be entered.
        if skipped.reason == "unreadable directory":
            self.fail(skipped)
        elif self._patterns.matches(skipped.key[len(self._under) :]):
            if self._copying or skipped.reason == "loop":
                self.fail(skipped)
            else:
                self.note(skipped)

    def note(self, skipped: Skipped) -> None:
        """Report something that is left out rightly."""
        if self._on_event is not None:
            target = skipped.key if self._destination else ""
            self._on_event(Event("skipped", skipped.key, target=target, reason=skipped.cause))

    def fail(self, skipped: Skipped) -> None:
        """Report something that should not have been left out, or left behind."""
        self._failed.append(skipped)
        self.note(skipped)

    def check(self, cause: str) -> None:
        """Raise if something should not have been left out.

        Args:
            cause: What the call could not do.

        Raises:
            IncompleteError: It lists everything.
        """
        if self._failed:
            raise IncompleteError(cause, self._failed, under=self._under)

    def check_removal(self, done: int) -> None:
        """As `check`, after a removal of some objects."""
        first = self._failed[0].error if self._failed else None
        if first is not None and not done:
            raise first  # nothing was done: it is not half a success, but that failure
        self.check("could not remove everything")
