"""Progress as plain lines, where there is no terminal: in log files and `kubectl logs`."""

import sys

from .tally import Rate, Tally

__all__ = ["ProgressLines", "print_line"]

# Lines that repeat the last one are printed only once in so many intervals.
_REPEAT = 12


class ProgressLines:
    """Prints a line every few seconds.

    Args:
        tally: The totals to print.
        leave: Print a last line at the end.

    Attributes:
        interval: Seconds between two lines.
    """

    interval = 5.0

    def __init__(self, tally: Tally, *, leave: bool = False) -> None:
        self._tally = tally
        self._leave = leave
        self._rate = Rate(tally)
        self._last_moved = 0
        self._last_line = ""
        self._repeated = 0

    def show(self) -> None:
        """Print the progress, with the rate since the last line."""
        rate = (self._tally.moved - self._last_moved) / self.interval
        self._last_moved = self._tally.moved
        line = self._tally.describe(max(0.0, rate))
        if line == self._last_line and self._repeated < _REPEAT:
            self._repeated += 1
            return
        self._last_line, self._repeated = line, 1
        print_line(line)

    def close(self) -> None:
        """Print the last line."""
        if self._leave and self._tally.listed:
            print_line(self._tally.describe(self._rate.average()))


def print_line(line: str) -> None:
    """Print a line on stderr, above the bars that are drawn there."""
    if sys.stderr is None:  # closed: `print` would use stdout instead
        return
    if "tqdm" in sys.modules:
        from tqdm import tqdm  # noqa: PLC0415 - imported already

        tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the display
