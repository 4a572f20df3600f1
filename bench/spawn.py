"""Run one command and print what it cost, as JSON on the descriptor named by the first argument.

This runs as a tiny interpreter of its own (`python -I -S spawn.py FD COMMAND…`) between the harness and the measured
process. Linux carries a process's peak RSS over fork and exec: a child started by a harness that once held 300 MiB
would report at least 300 MiB. Started from here, the floor is this interpreter's own 9 MiB or so.

CPU time is that of the command and of all descendants that were waited for; the peak RSS is the largest single one.
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
