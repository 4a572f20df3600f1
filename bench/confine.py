"""Run a command as a container would: as another user, on one CPU, in control groups that limit it.

`python -I -S confine.py USER DIRECTORY,DIRECTORY… COMMAND…`: the directories are those of the control groups.
"""

import os
import sys


def main() -> None:
    user, groups, command = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
    for directory in groups:
        with open(f"{directory}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    os.execve(command[0], command, os.environ)


main()
