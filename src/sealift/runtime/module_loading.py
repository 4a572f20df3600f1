"""Import modules in a thread.

In the event loop, an import would stop all other tasks. It would also wait for a thread that has begun to import the
same module, as a lane may have, and so for the interpreter.
"""

from importlib import import_module

from .disk_threads import DiskThreads

__all__ = ["load_modules"]

_loaded: set[str] = set()


async def load_modules(disk: DiskThreads, *names: str) -> None:
    """Import modules, unless an earlier call has done so.

    Args:
        disk: Threads for blocking work.
        names: Full names of the modules.

    Example:
        >>> async def presign(disk: DiskThreads) -> None:
        ...     await load_modules(disk, "sealift.backends.s3.presign")
        ...     from ..backends.s3.presign import presign  # returns at once
    """
    if missing := [name for name in names if name not in _loaded]:
        await disk.run(lambda: [import_module(name) for name in missing])
        _loaded.update(missing)
