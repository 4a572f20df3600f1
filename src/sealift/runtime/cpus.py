"""How many CPUs this process may use."""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["available_cpus"]

_NONE = float("inf")


def available_cpus(membership: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> float:
    """The smaller of the CPU affinity and the quota of the control group and its parents.

    Version 2 has `cpu.max` (https://docs.kernel.org/admin-guide/cgroup-v2.html), version 1 `cpu.cfs_quota_us`.

    Args:
        membership: The file that lists the process's control groups.
        mounted: Where the control groups are mounted.

    Returns:
        CPUs, at least a fraction of one.
    """
    cpus = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    try:
        memberships = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        memberships = []
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = mounted / "cpu" if controllers else mounted
        group = root / path.lstrip("/")
        for directory in (group, *group.parents):
            cpus = min(cpus, _quota(directory, version_1=bool(controllers)))
            if directory == root:
                break
    return cpus


def _quota(directory: Path, *, version_1: bool) -> float:
    with suppress(OSError, ValueError, ZeroDivisionError):  # no limit, or not readable
        if version_1:
            quota = int((directory / "cpu.cfs_quota_us").read_text(encoding="ascii"))
            return quota / int((directory / "cpu.cfs_period_us").read_text(encoding="ascii")) if quota > 0 else _NONE
        limit, period = (directory / "cpu.max").read_text(encoding="ascii").split()
        return int(limit) / int(period)  # "max" is no number
    return _NONE
