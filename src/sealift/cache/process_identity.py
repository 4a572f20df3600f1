"""Which process made a record, and whether it still runs; blocking.

A process ID alone is not enough: it is used again, and containers that share a directory have process IDs of their own.
"""

import json
import os
from functools import cache
from typing import Self

from ..frozen_dataclass import dataclass
from .directory import FULL

__all__ = ["ProcessIdentity", "write_record"]


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, among all that may ever use a directory.

    Attributes:
        pid: Its process ID.
        start: When it was started, in clock ticks since the boot; "" if unknown.
            https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
        namespace: The namespace of its process ID, which differs between containers; "" if unknown.
        boot: Identifies the boot of the kernel; "" if unknown.
        host: The name of the machine, or of the container.
    """

    pid: int
    start: str
    namespace: str
    boot: str
    host: str

    @classmethod
    def current(cls) -> Self:
        """This process."""
        pid = os.getpid()
        return cls(pid, _start_of(pid) or "", *_machine())

    @classmethod
    def parse(cls, text: str | bytes) -> Self | None:
        """Read a record that `as_json` wrote; None: it is incomplete, or something else."""
        try:
            fields = json.loads(text)
            identity = cls(int(fields["pid"]), *(str(fields[name]) for name in ("start", "namespace", "boot", "host")))
        except (ValueError, KeyError, TypeError):
            return None
        return identity

    def as_json(self, **more: object) -> str:
        """A record of this process, with more facts."""
        facts = {name: getattr(self, name) for name in ("pid", "start", "namespace", "boot", "host")}
        return json.dumps(facts | more)

    @property
    def is_here(self) -> bool:
        """Whether it ran on this machine, since its boot, and among the processes that this one can see."""
        return (self.namespace, self.boot) == _machine()[:2] and (bool(self.boot) or self.host == _machine()[2])

    def is_running(self) -> bool | None:
        """Whether it still runs; None: that cannot be seen from here."""
        if not self.is_here:
            return None
        started = _start_of(self.pid) if self.start else None
        if started is not None:
            return started == self.start
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    def __str__(self) -> str:
        return f"process {self.pid}" if self.is_here else f"process {self.pid} of {self.host}"


def write_record(descriptor: int, record: str) -> None:
    """Write a record. On a full disk it stays empty: what is in use is found, and removed, nevertheless.

    Whose an empty record is cannot be seen: it counts as long as it shows signs of life.
    """
    try:
        os.write(descriptor, record.encode())
    except OSError as error:
        if error.errno not in FULL:
            raise


def _start_of(pid: int) -> str | None:
    """When a process was started; "": it has ended, and waits for its parent; None: it has ended, or is hidden."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program is in parentheses, and may contain any character.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in {b"Z", b"X"} else fields[19].decode()


@cache
def _machine() -> tuple[str, str, str]:
    """The namespace of process IDs, the boot, and the host of this process."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        namespace = ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        boot = ""
    return namespace, boot, os.uname().nodename
