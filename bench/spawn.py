"""Run one command and write its measurements as JSON to the file descriptor given by the first argument.

This runs in a small interpreter (`python -I -S spawn.py FD COMMAND…`) between the harness and the measured process.
Linux carries the peak RSS of a process over fork and exec: a child started by a harness that once used 300 MiB would
report at least 300 MiB. Started from here, the minimum is the 9 MiB or so of this interpreter.

CPU time is that of the command and of all descendants that were waited for; peak RSS is that of the largest process.
"""

import json
import os
import sys
import time


def main() -> None:
    report, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(report, False)
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    sample = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "wall_s": wall,
        "user_s": usage.ru_utime,
        "system_s": usage.ru_stime,
        "peak_rss": usage.ru_maxrss * unit,
    }
    os.write(report, json.dumps(sample).encode())


main()
