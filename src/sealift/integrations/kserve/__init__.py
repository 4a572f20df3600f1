"""`kserve.storage` for code that was written for it, from sealift.

    import sealift.kserve

    sealift.kserve.install()

    from kserve.storage import Storage      # sealift's
    from kserve.errors import StorageError  # sealift's, beside the errors that KServe has of its own
    from kserve import Model                # KServe's, where it is installed

or, for a program that is not to be touched: `python -m sealift.kserve SCRIPT ARGS…`.

KServe has had no module `kserve.storage` since version 0.16, and its `kserve.errors` has no `StorageError`.
"""

from .shim import install

__all__ = ["install"]
