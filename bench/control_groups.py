"""Control groups that limit the CPUs and the memory of a command; needs root."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_CONTROLLERS = Path("/sys/fs/cgroup")
_CONFINE = Path(__file__).with_name("confine.py")
_PERIOD_US = 100_000


@contextlib.contextmanager
def control_groups(cpus: int, memory: int) -> Iterator[list[Path]]:
    """Make control groups of version 1 or 2 below that of this process, until the end of the block.

    Args:
        cpus: CPUs that they may use.
        memory: Bytes of memory, with the page cache.
    """
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    name = f"sealift-bench-{os.getpid()}"
    if (_CONTROLLERS / "cgroup.controllers").exists():
        limits = {"": {"cpu.max": f"{cpus * _PERIOD_US} {_PERIOD_US}", "memory.max": str(memory)}}
    else:
        quota = {"cpu.cfs_period_us": str(_PERIOD_US), "cpu.cfs_quota_us": str(cpus * _PERIOD_US)}
        limits = {"cpu": quota, "memory": {"memory.limit_in_bytes": str(memory)}}
    made = []
    try:
        for controller, files in limits.items():
            directory = _CONTROLLERS / controller / own.get(controller, "/").lstrip("/") / name
            directory.mkdir()
            made.append(directory)
            for file, value in files.items():
                (directory / file).write_text(value)
        yield made
    finally:
        for directory in made:
            directory.rmdir()


def confined(groups: list[Path], user: int, command: list[str]) -> list[str]:
    """The command that runs another one as a user, on one CPU, in control groups."""
    return ["/usr/bin/python3", "-I", "-S", str(_CONFINE), str(user), ",".join(map(str, groups)), *command]
