"""The command line.

Each command is one file: `cp.py`, `mv.py`, `sync.py`, `ls.py`, `du.py`, `stat.py`, `cat.py`, `presign.py`, `rm.py`,
`tensors.py`, `doctor.py`, `config.py`, `completion.py` and `demo.py`.

To add an option to one command, declare it in the file of the command. To add an option that several commands share,
declare it in `options.py` and give `Settings` in `settings.py` an attribute of the same name. `commands.py` lists the
commands.
"""

from .commands import main

__all__ = ["main"]
