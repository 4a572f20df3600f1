import os
import pty
import signal
from pathlib import Path

import pytest

from sealift.cli.progress import ProgressBar, ProgressLines, Tally
from sealift.cli.units import size
from sealift.types import Event

from .program import start
from .stalling import StallingS3

ERASE = "\r\x1b[K"


def tally_of(*events: Event) -> Tally:
    tally = Tally()
    for event in events:
        tally.add(event)
    return tally


def test_totals_grow_while_the_listing_arrives() -> None:
    tally = tally_of(Event("listed", "a", 4_000_000), Event("progress", "a", 1_000_000))
    assert tally.describe(5e6) == "1.0 MB of 4.0 MB, 5.0 MB/s, 0 of 1 object"
    for event in (Event("listed", "b", 2_000_000), Event("progress", "a", 3_000_000), Event("object", "a", 4_000_000)):
        tally.add(event)
    assert tally.describe(5e6) == "4.0 MB of 6.0 MB, 5.0 MB/s, 1 of 2 objects"
    tally.add(Event("retry", "b"))
    assert tally.describe(0).endswith(", 1 retried")


def test_an_object_of_unknown_size() -> None:
    tally = tally_of(Event("listed", "a"), Event("progress", "a", 500))
    assert tally.describe(0).startswith("500 B of 500 B")


def test_removed_objects_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    tally = tally_of(Event("deleted", "a"), Event("deleted", "b"))
    assert tally.describe(0) == "2 objects removed"
    ProgressBar(tally).close()
    assert capsys.readouterr().err == f"{ERASE}2 objects removed{ERASE}"
    tally.add(Event("listed", "c", 1))
    assert tally.describe(0) == "0 B of 1 B, 0 B/s, 0 of 1 object, 2 removed"


def test_plain_lines_show_the_rate_since_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    lines = ProgressLines(tally)
    lines.show()
    tally.add(Event("listed", "a", 10_000_000))
    for _ in range(2):
        tally.add(Event("progress", "a", 5_000_000))
        lines.show()
    lines.close()
    assert capsys.readouterr().err.splitlines() == [
        "listing objects",
        "5.0 MB of 10.0 MB, 1.0 MB/s, 0 of 1 object",
        "10.0 MB of 10.0 MB, 1.0 MB/s, 0 of 1 object",
    ]


def test_a_bar_is_drawn_over_itself_and_erased(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    bar = ProgressBar(tally)
    tally.add(Event("listed", "a", 10))
    tally.add(Event("progress", "a", 5))
    bar.print_line("a line")
    bar.close()
    first, line, second, end = capsys.readouterr().err.split(ERASE)[1:]
    assert first.startswith("[                    ]   0%  listing objects")
    assert line == "a line\n"
    assert second.startswith("[##########          ]  50%  5 B of 10 B")
    assert end == ""


def test_on_a_terminal(stalling: StallingS3, tmp_path: Path) -> None:
    """The bar shows the total size, and is erased at the end."""
    terminal, of_program = pty.openpty()
    with start("cp", *stalling.options, "s3://models/big.bin", tmp_path, stderr=of_program) as process:
        os.close(of_program)
        shown = ""
        while "of 67.1 MB" not in shown:
            shown += os.read(terminal, 4096).decode()
        process.send_signal(signal.SIGINT)
        shown += read_to_end(terminal)
        stdout, _ = process.communicate()
    os.close(terminal)
    assert shown.startswith(f"{ERASE}[")
    assert shown.endswith(f"{ERASE}error: interrupted\r\n")
    assert stdout == ""


def read_to_end(terminal: int) -> str:
    text = ""
    while True:
        try:
            piece = os.read(terminal, 4096).decode()
        except OSError:  # Linux: the other end is closed
            return text
        if not piece:  # macOS
            return text
        text += piece


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (2.5e12, "2.5 TB")]
)
def test_sizes_are_formatted(number: float, text: str) -> None:
    assert size(number) == text
