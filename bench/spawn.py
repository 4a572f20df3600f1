"""Run one command and write its measurements as JSON to the file descriptor given by the first argument.

This runs in a small interpreter (`python -I -S spawn.py FD CPU COMMAND…`) between the harness and the measured process.
Linux carries the peak RSS of a process over fork and exec: a child started by a harness that once used 300 MiB would
report at least 300 MiB. Started from here, the minimum is the 9 MiB or so of this interpreter.

CPU time is that of the command and of all descendants that were waited for; peak RSS is that of the largest process.
Peak PSS is the largest sum over the command and all its descendants at one time: a page that several processes share
counts once. The kernel visits every page of a process for it, so it is sampled 20 times a second or, if that would take
more than 2 % of a CPU, less often. CPU is the only CPU for the descendants, or "None".
"""

import contextlib
import json
import os
import sys
import threading
import time

INTERVAL, SHARE = 0.05, 0.02  # seconds between two looks; share of a CPU


class Tree:
    """A process and its descendants. Each process is looked up once, when it is first seen."""

    def __init__(self, root: int, children_cpu: int | None) -> None:
        self.peak_pss: int | None = None  # bytes
        self._root, self._children_cpu = root, children_cpu
        self._inside = {os.getpid(): False}
        self._ended = threading.Event()

    def watch(self) -> None:
        due = 0.0
        while not self._ended.wait(INTERVAL):
            self.find()
            if (now := time.monotonic()) >= due:
                start = time.thread_time()
                self.sample()
                due = now + (time.thread_time() - start) / SHARE

    def stop(self) -> None:
        self._ended.set()

    def find(self) -> None:
        found = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        self._inside = {pid: inside for pid, inside in self._inside.items() if pid in found}
        # In the order of their IDs, which is nearly always that of their start: a parent comes before its child.
        for pid in sorted(found - self._inside.keys()):
            self._inside[pid] = self._belongs(pid)

    def sample(self) -> None:
        pss = sum(_pss(pid) for pid, inside in self._inside.items() if inside)
        self.peak_pss = max(pss, self.peak_pss or 0) or None

    def _belongs(self, pid: int) -> bool:
        if pid == self._root:
            return True
        # A process that has ended meanwhile has no memory to count. After the name: state, parent, group, session.
        with contextlib.suppress(OSError):
            _, parent, _, session = _read(pid, "stat").rpartition(")")[2].split()[:4]
            # The harness has made this process the leader of a session, which orphans stay in.
            if self._inside.get(int(parent), False) or int(session) == os.getpid():
                if self._children_cpu is not None:
                    for thread in os.listdir(f"/proc/{pid}/task"):
                        os.sched_setaffinity(int(thread), {self._children_cpu})
                return True
        return False


def _pss(pid: int) -> int:
    """The proportional set size of a process in bytes; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in _read(pid, "smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _read(pid: int, name: str) -> str:
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    try:
        return os.read(descriptor, 8192).decode(errors="replace")
    finally:
        os.close(descriptor)


def main() -> None:
    report, children_cpu, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    os.set_inheritable(report, False)
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    tree = Tree(child, None if children_cpu == "None" else int(children_cpu))
    watcher = threading.Thread(target=tree.watch)
    if os.path.exists("/proc/self/smaps_rollup"):
        watcher.start()
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    tree.stop()
    if watcher.ident is not None:
        watcher.join()
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    sample = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "wall_s": wall,
        "user_s": usage.ru_utime,
        "system_s": usage.ru_stime,
        "peak_rss": usage.ru_maxrss * unit,
        "peak_pss": tree.peak_pss,
    }
    os.write(report, json.dumps(sample).encode())


main()
