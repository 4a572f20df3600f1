"""PyInstaller finds the hook for sealift in this directory, by the entry point `pyinstaller40` of the package.

https://pyinstaller.org/en/stable/hooks.html#provide-hooks-with-package
"""

import os

__all__ = ["hook_directories"]


def hook_directories() -> list[str]:
    """Return the directory of `hook-sealift.py`."""
    return [os.path.dirname(__file__)]
