"""The totals of the events of one or several calls, and what to say about them."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import StorageError
from ..types import Event
from .units import count, duration, size

__all__ = ["Rate", "Tally"]

# Seconds over which the rate is averaged.
_WINDOW = 3.0
# Seconds from which on a wait is worth mentioning.
_LONG_WAIT = 2.0
# Characters of the reason of a wait.
_REASON = 60


@dataclass(slots=True)
class Tally:
    """Totals of events.

    Attributes:
        clock: Returns the time in seconds.
        listed: Objects listed so far.
        finished: Objects that are complete.
        total: Bytes of the objects listed so far, as far as their sizes are known.
        done: Bytes stored at the destination.
        resumed: Bytes of `done` that an earlier transfer stored.
        suspended: Bytes that uploads which failed or were interrupted have stored.
        retries: Requests sent again.
        removed: Objects removed.
        kept: Objects that stay at the destination because they exist.
        dropped: Number of objects per property that could not be copied.
    """

    clock: Callable[[], float] = time.monotonic
    listed: int = 0
    finished: int = 0
    total: int = 0
    done: int = 0
    resumed: int = 0
    suspended: int = 0
    retries: int = 0
    removed: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    _listing: set[str] = field(default_factory=set)  # the calls of which not all objects are listed
    _wait: tuple[float, Event] | None = None  # until when, and why

    def add(self, event: Event) -> None:
        """Count one event."""
        match event.kind:
            case "listed":
                self.listed += 1
                self.total += event.size
            case "progress":
                self.done += event.size
            case "resumed":
                self.resumed += event.size
            case "suspended":
                self.suspended += event.size
            case "object":
                self.finished += 1
                self.dropped.update(event.dropped)
            case "retry":
                self.retries += 1
            case "deleted":
                self.removed += 1
            case "kept":
                self.kept += 1
        if event.kind in {"listed", "progress", "object"}:
            if event.total is None:
                self._listing.add(event.call)
            else:
                self._listing.discard(event.call)
        if event.delay >= _LONG_WAIT:
            self._wait = self.clock() + event.delay, event

    @property
    def moved(self) -> int:
        """Bytes that were transferred, not counting those of earlier transfers."""
        return self.done - self.resumed

    @property
    def is_sized(self) -> bool:
        """Whether the sizes of all objects are known, so that a share of them is done."""
        return not self.listed or 0 < self.total >= self.done

    def describe(self, rate: float, width: int | None = None) -> str:
        """What has been done and what remains, the most important first.

        Args:
            rate: Bytes per second.
            width: What does not fit into so many characters is left out. None: no limit.
        """
        text, *others = self._fields(rate)
        for each in others:
            if width is not None and len(text) + 2 + len(each) > width:
                break
            text += f", {each}"
        return text

    def _fields(self, rate: float) -> list[str]:
        if not self.listed:
            return [f"{count(self.removed, 'object')} removed" if self.removed else "listing objects", *self._waiting()]
        complete = not self._listing
        fields = [f"{size(self.done)} of {size(self.total)}" if self.is_sized else size(self.done), f"{size(rate)}/s"]
        if complete and rate and self.done < self.total:
            fields.append(f"{duration((self.total - self.done) / rate)} left")
        fields += self._waiting()
        fields.append(f"{self.finished:,} of {count(self.listed, 'object')}")
        if complete and 0 < self.done == self.total and self.finished < self.listed:
            fields.append("verifying")
        if self.resumed:
            fields.append(f"{size(self.resumed)} resumed")
        if self.retries:
            fields.append(f"{self.retries:,} retried")
        if self.removed:
            fields.append(f"{self.removed:,} removed")
        return fields

    def _waiting(self) -> list[str]:
        """What is being waited for."""
        if self._wait is None:
            return []
        until, event = self._wait
        left = until - self.clock()
        if left <= 0:
            return []
        what = "retrying" if event.kind == "retry" else "paused, continuing"
        reason = _reason(event.error)
        return [f"{what} in {duration(left)}" + (f" ({reason})" if reason else "")]


def _reason(error: BaseException | None) -> str:
    """The reason of a wait, in a few words."""
    if not isinstance(error, StorageError):
        return ""
    where = error.host or ""
    why = str(error.status) if error.status else error.cause
    text = f"{where}: {why}" if where and where not in why else why
    text = "".join(each if each.isprintable() else " " for each in text)
    return text if len(text) <= _REASON else f"{text[: _REASON - 1]}…"


class Rate:
    """The rate of a tally, averaged over a few seconds.

    Args:
        tally: The tally.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._start = tally.clock()
        self._samples: deque[tuple[float, int]] = deque([(self._start, tally.moved)])

    def now(self) -> float:
        """Bytes per second during the last seconds."""
        now, moved = self._tally.clock(), self._tally.moved
        self._samples.append((now, moved))
        while now - self._samples[0][0] > _WINDOW and len(self._samples) > 2:
            self._samples.popleft()
        since, moved_then = self._samples[0]
        return max(0.0, (moved - moved_then) / max(now - since, 1e-3))

    def average(self) -> float:
        """Bytes per second since the beginning."""
        return self._tally.moved / max(self._tally.clock() - self._start, 1e-3)
