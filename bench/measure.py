"""Run one command and measure the wall time, CPU time and peak memory of the process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SPAWN = Path(__file__).with_name("spawn.py")


class CommandError(Exception):
    """A measured command failed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one run."""

    wall_s: float
    user_s: float
    system_s: float
    peak_rss: int  # bytes, of the largest single process
    peak_pss: int | None = None  # bytes, of all processes together; None where it cannot be sampled
    server_cpu_s: float | None = None  # of the server during the run, where it is reported
    report: Mapping[str, float] = field(default_factory=dict)  # what the client measured itself

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s

    @property
    def transfer_s(self) -> float:
        """The wall time of the transfer: of the whole process, unless the client measured it."""
        return self.report.get("download_s", self.wall_s)


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path,
    timeout_s: float = 900.0,
    *,
    children_cpu: int | None = None,
) -> Sample:
    """Run `command` to its end with exactly `environ`, and measure it.

    Args:
        command: program (an absolute path) and arguments.
        environ: the complete environment of the child; nothing is inherited from this process.
        cwd: the child's working directory. What the client measured itself, it writes there to `report.json`.
        timeout_s: seconds after which the command is killed and counts as failed.

        children_cpu: the only CPU for the processes that the command starts; None: they run anywhere.

    Raises:
        CommandError: it failed, was killed or took too long; the message contains the end of its output.
    """
    # A file, not a pipe: a command with much output never waits for this process to read it.
    log, own_report = cwd / "output.log", cwd / "report.json"
    own_report.unlink(missing_ok=True)
    reader, writer = os.pipe()
    with log.open("wb") as output, os.fdopen(reader) as report:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SPAWN), str(writer), str(children_cpu), *command],
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(writer,),
            start_new_session=True,
        )
        os.close(writer)
        try:
            process.wait(timeout_s)
        except BaseException as error:
            # The command has its own session, so this ends its children too.
            os.killpg(process.pid, 9)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise CommandError(f"{command[0]} took longer than {timeout_s:.0f} s\n{_tail(log)}") from None
            raise
        text = report.read()
    if not text:
        raise CommandError(f"{command[0]} could not be started\n{_tail(log)}")
    found = json.loads(text)
    if (code := found.pop("exit_code")) != 0:
        how = f"exited with status {code}" if code > 0 else f"was killed by signal {-code}"
        raise CommandError(f"{' '.join(command)} {how}\n{_tail(log)}")
    return Sample(**found, report=json.loads(own_report.read_text()) if own_report.exists() else {})


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip()
