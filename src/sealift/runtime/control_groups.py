"""What the control groups of this process allow: CPUs and memory.

Both versions are read: 2 (https://docs.kernel.org/admin-guide/cgroup-v2.html) and 1. The limits of a group hold for
the groups in it too, so the smallest of the process's group and its parents counts.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

__all__ = ["MEMBERSHIP", "MOUNTED", "available_cpus", "memory_limit"]

MEMBERSHIP = "/proc/self/cgroup"
MOUNTED = "/sys/fs/cgroup"


def available_cpus(membership: str | os.PathLike[str] = MEMBERSHIP, mounted: str | os.PathLike[str] = MOUNTED) -> float:
    """The smaller of the CPU affinity and the quota of the control groups (`cpu.max`, or `cpu.cfs_quota_us`).

    Args:
        membership: The file that lists the process's control groups.
        mounted: Where the control groups are mounted.

    Returns:
        CPUs, possibly a fraction of one.
    """
    cpus = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    for group, version in _groups("cpu", membership, mounted):
        with suppress(OSError, ValueError, ZeroDivisionError):  # no limit, or a group of another namespace
            if version == 1:
                quota = int(_text(group, "cpu.cfs_quota_us"))
                if quota > 0:
                    cpus = min(cpus, quota / int(_text(group, "cpu.cfs_period_us")))
            else:
                limit, period = _text(group, "cpu.max").split()
                cpus = min(cpus, int(limit) / int(period))  # "max" is no number
    return cpus


def memory_limit(
    membership: str | os.PathLike[str] = MEMBERSHIP, mounted: str | os.PathLike[str] = MOUNTED
) -> int | None:
    """The least memory limit of the control groups (`memory.max`, or `memory.limit_in_bytes`).

    Args:
        membership: The file that lists the process's control groups.
        mounted: Where the control groups are mounted.

    Returns:
        Bytes; `None` without a limit.
    """
    limits = []
    for group, version in _groups("memory", membership, mounted):
        with suppress(OSError, ValueError):  # no limit ("max"), or a group of another namespace
            limits.append(int(_text(group, "memory.limit_in_bytes" if version == 1 else "memory.max")))
    return min(limits, default=None)


def _groups(
    controller: str, membership: str | os.PathLike[str], mounted: str | os.PathLike[str]
) -> Iterator[tuple[str, int]]:
    """Directories of this process's groups and their parents, from the root on, and the version of each."""
    try:
        with open(membership, encoding="utf-8") as file:
            memberships = file.read().splitlines()
    except OSError:  # not Linux
        return
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        group = os.path.join(mounted, controller) if controllers else os.fspath(mounted)
        yield group, 1 if controllers else 2
        for segment in filter(None, path.split("/")):
            group = os.path.join(group, segment)
            yield group, 1 if controllers else 2


def _text(group: str, name: str) -> str:
    with open(os.path.join(group, name), encoding="ascii") as file:
        return file.read().strip()
