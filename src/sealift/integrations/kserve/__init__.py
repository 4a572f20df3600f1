"""Provides `kserve.storage` to code that was written for KServe.

    import sealift.kserve

    sealift.kserve.install()

    from kserve.storage import Storage      # sealift's
    from kserve.errors import StorageError  # sealift's; KServe's own errors stay available
    from kserve import Model                # KServe's, if it is installed

For a program that you do not want to change: `python -m sealift.kserve SCRIPT ARGS…`.

KServe removed the module `kserve.storage` in version 0.16, and its `kserve.errors` has no `StorageError`.
"""

from .shim import install

__all__ = ["install"]
