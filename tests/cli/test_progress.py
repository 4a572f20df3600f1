"""Progress on a terminal and in logs, and the options that choose how much is printed."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from sealift.progress.bar import TerminalBar
from sealift.progress.lines import ProgressLines, print_line
from sealift.progress.tally import Tally
from sealift.types import Event, MiB

from .conftest import Invoke
from .program import run, start
from .stalling import StallingS3

ERASE = "\r\x1b[K"
XTERM = {"TERM": "xterm", "NO_COLOR": "1"}


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


def test_plain_lines_do_not_repeat_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines(Tally())
    for _ in range(13):
        lines.show()
    assert capsys.readouterr().err.splitlines() == ["listing objects", "listing objects"]


def test_a_bar_is_drawn_over_itself_and_erased(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    bar = TerminalBar(tally)
    tally.add(Event("listed", "a", 10))
    tally.add(Event("progress", "a", 5))
    bar.show()
    print_line("a line")
    bar.close()
    drawn = capsys.readouterr().err.split(ERASE)[1:]
    assert drawn[0].startswith("  0%|")
    assert drawn[0].endswith("| listing objects")
    assert drawn[1].startswith(" 50%|")
    assert "| 5 B of 10 B" in drawn[1]
    assert drawn[2] == "\ra line\n"
    assert drawn[3].startswith(" 50%|")
    assert drawn[-1].strip() == ""


def test_a_bar_that_stays(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    bar = TerminalBar(tally, leave=True)
    for event in (Event("listed", "a", 10), Event("progress", "a", 10), Event("object", "a", 10)):
        tally.add(event)
    bar.close()
    last = capsys.readouterr().err.split(ERASE)[-1]
    assert last.startswith("100%|")
    assert last.endswith("1 of 1 object\n")


def test_a_bar_of_an_unknown_size_has_no_share(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    bar = TerminalBar(tally)
    for event in (Event("listed", "a"), Event("progress", "a", 5_000_000, total=0)):
        tally.add(event)
    bar.show()
    bar.close()
    assert capsys.readouterr().err.split(ERASE)[2].startswith("5.0 MB, ")


def test_a_bar_of_removals_has_no_share(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    tally.add(Event("deleted", "a"))
    TerminalBar(tally).close()
    assert capsys.readouterr().err.split(ERASE)[1] == "1 object removed"


# --- on a terminal


class Terminal:
    """A pseudo terminal for stderr."""

    def __init__(self, columns: int) -> None:
        self.read_end, self.write_end = pty.openpty()
        self.shown = ""
        self.resize(columns)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.write_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read_until(self, text: str) -> str:
        """Return what is shown until, and with, a text."""
        while text not in self.shown:
            self.shown += os.read(self.read_end, 4096).decode()
        end = self.shown.index(text) + len(text)
        found, self.shown = self.shown[:end], self.shown[end:]
        return found

    def read_to_end(self) -> str:
        os.close(self.write_end)
        while True:
            try:
                piece = os.read(self.read_end, 4096).decode()
            except OSError:  # Linux: the other end is closed
                break
            if not piece:  # macOS
                break
            self.shown += piece
        os.close(self.read_end)
        return self.shown


def test_on_a_terminal(stalling: StallingS3, tmp_path: Path) -> None:
    """The bar shows the total size, and is erased at the end."""
    terminal = Terminal(120)
    command = ("cp", *stalling.options, "s3://models/big.bin", tmp_path)
    with start(*command, stderr=terminal.write_end, environ=XTERM) as process:
        shown = terminal.read_until("of 67.1 MB")
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate()
    shown += terminal.read_to_end()
    assert shown.startswith(f"{ERASE}  0%|")
    assert shown.endswith(f"{ERASE}\rerror: interrupted\r\n")
    assert "\x1b" not in shown.replace(ERASE, "").replace("\x1b[A", "")  # no colors
    assert stdout == ""


@pytest.mark.parametrize("columns", [100, 60, 30, 12, 0])
def test_a_terminal_that_becomes_narrow(stalling: StallingS3, tmp_path: Path, columns: int) -> None:
    """Each drawing fits into one line of the terminal as it is."""
    terminal = Terminal(160)
    command = ("cp", *stalling.options, "s3://models/big.bin", tmp_path)
    with start(*command, stderr=terminal.write_end, environ=XTERM) as process:
        terminal.read_until("0 of 1 object")
        terminal.resize(columns)
        drawn = " " * 160
        while len(drawn) >= (columns or 80):  # drawn before
            drawn = terminal.read_until(ERASE).removesuffix(ERASE)
        for _ in range(3):
            drawn = terminal.read_until(ERASE).removesuffix(ERASE)
            assert 3 < len(drawn) < (columns or 80)
        process.send_signal(signal.SIGINT)
        process.communicate()
    terminal.read_to_end()


def test_stdin_on_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(120)
    command = "cp", "-", str(tmp_path / "k")
    with start(*command, stdin=subprocess.PIPE, stderr=terminal.write_end, environ=XTERM, text=False) as process:
        assert process.stdin is not None
        process.stdin.write(bytes(20 * MiB))
        process.stdin.flush()
        terminal.read_until("MB/s, 0 of 1 object")
        process.stdin.close()
        assert terminal.read_until("copied stdin to").endswith(f"{ERASE}\rcopied stdin to")
        terminal.read_to_end()
        assert process.wait() == 0


def test_a_dumb_terminal_gets_lines(stalling: StallingS3, tmp_path: Path) -> None:
    terminal = Terminal(80)
    command = ("cp", *stalling.options, "s3://models/big.bin", tmp_path)
    with start(*command, stderr=terminal.write_end, environ={"TERM": "dumb"}) as process:
        shown = terminal.read_until("of 67.1 MB")
        process.send_signal(signal.SIGINT)
        process.communicate()
    shown += terminal.read_to_end()
    assert "\x1b" not in shown
    assert shown.replace("\r\n", "").find("\r") == -1


@pytest.mark.parametrize("option", ["--quiet", "--no-progress"])
def test_no_bar(invoke: Invoke, environ: dict[str, str], bucket: str, tmp_path: Path, option: str) -> None:
    terminal = Terminal(80)
    command = ("cp", "-r", f"s3://{bucket}/llama", tmp_path / "llama", option)
    with start(*command, stderr=terminal.write_end, environ=environ | XTERM) as process:
        process.communicate()
    shown = terminal.read_to_end()
    if option == "--quiet":
        assert shown == ""
    else:
        assert shown.startswith("copied 4 objects")
        assert shown.count("\n") == 1


# --- options


@pytest.mark.parametrize("position", [0, 1])
def test_quiet_prints_errors_only(invoke: Invoke, bucket: str, position: int) -> None:
    def command(*arguments: str) -> list[str]:
        words = [*arguments]
        words.insert(position and len(words), "-q")
        return words

    done = invoke(*command("cp", "-r", f"s3://{bucket}/llama", "llama"))
    assert (done.exit_code, done.stderr, done.stdout) == (0, "", "llama\n")
    done = invoke(*command("sync", f"s3://{bucket}/llama", "llama"))
    assert (done.exit_code, done.stderr) == (0, "")
    done = invoke(*command("rm", "-r", "llama"))
    assert (done.exit_code, done.stderr) == (0, "")
    done = invoke(*command("cp", f"s3://{bucket}/none", "llama"))
    assert done.exit_code == 3
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [("-q", "-v"), ("-v", "-q"), ("--debug", "--quiet")])
def test_quiet_and_verbose_exclude_each_other(invoke: Invoke, options: tuple[str, str]) -> None:
    for words in (("ls", ".", *options), (options[0], "ls", ".", options[1])):
        done = invoke(*words)
        assert done.exit_code == 2
        assert "-q cannot be combined with -v or --debug" in done.stderr


def test_verbose_logs_each_call(invoke: Invoke, bucket: str) -> None:
    lines = invoke("cp", "-r", f"s3://{bucket}/llama/", "here", "-v").stderr.splitlines()
    logged = [line for line in lines if " INFO " in line]
    assert len(logged) == 1
    assert f"INFO copy s3://{bucket}/llama/ to " in logged[0]
    assert "4 objects" in logged[0]
    assert "verified: crc64nvme (4)" in logged[0]
    assert not any(" DEBUG " in line for line in lines)


@pytest.mark.parametrize("options", [("-vv",), ("-v", "-v"), ("--debug",)])
def test_debug_logs_each_request(invoke: Invoke, bucket: str, options: tuple[str, ...]) -> None:
    stderr = invoke("cp", f"s3://{bucket}/iris.joblib", "here", *options).stderr
    requests = [line for line in stderr.splitlines() if " DEBUG " in line]
    assert any(
        "DEBUG GET http://127.0.0.1:" in line and f"/{bucket}/iris.joblib: 200, 10 bytes" in line for line in requests
    )
    assert stderr.count(" INFO ") == 1
    assert invoke(*options, "cp", f"s3://{bucket}/iris.joblib", "again").stderr.count(" INFO ") == 1
    assert invoke("cp", f"s3://{bucket}/iris.joblib", "once more").stderr.count(" INFO ") == 0


def test_a_program_without_options_logs_nothing(environ: dict[str, str], bucket: str, tmp_path: Path) -> None:
    done = run("cp", f"s3://{bucket}/iris.joblib", tmp_path / "iris", environ=environ)
    assert done.stderr.startswith("copied 1 object")
    assert done.stderr.count("\n") == 1
