"""The command line: `sealift cp`, `ls`, `stat` and `demo`."""

from .commands import main

__all__ = ["main"]
