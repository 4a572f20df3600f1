"""Provides `kserve.storage` and `kserve_storage` to code that was written for KServe.

    import sealift.kserve

    sealift.kserve.install()

    from kserve.storage import Storage      # sealift's
    from kserve.errors import StorageError  # sealift's; KServe's own errors stay available
    from kserve import Model                # KServe's, if it is installed
    from kserve_storage import Storage      # as the package kserve-storage: returns the directory

For a program that you do not want to change: `python -m sealift.kserve SCRIPT ARGS…`.

KServe 0.16 replaced the module `kserve.storage` by the package `kserve_storage`, and its `kserve.errors` has
no `StorageError`. `initializer` replaces the storage initializer of a cluster.
"""

from .shim import install

__all__ = ["install"]
