"""`python -m sealift.kserve SCRIPT ARGS…`: run an unchanged program with sealift in place of KServe's storage."""

import os
import runpy
import sys

from .shim import install

__all__ = ["main"]

_USAGE = "usage: python -m sealift.kserve SCRIPT [ARGS…]\n       python -m sealift.kserve -m MODULE [ARGS…]\n"


def main() -> None:
    """Run a script or module with its own arguments and, as `python SCRIPT` does, its directory first in `sys.path`."""
    as_module = sys.argv[1:2] == ["-m"]
    sys.argv = sys.argv[2 if as_module else 1 :]
    if not sys.argv:
        sys.stderr.write(_USAGE)
        sys.exit(2)
    program = sys.argv[0]
    if not as_module and not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(program))
    install()
    if as_module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
