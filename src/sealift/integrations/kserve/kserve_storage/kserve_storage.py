"""The module `kserve_storage.kserve_storage`."""

from ..local_source import MODEL_DIRECTORY as MODEL_MOUNT_DIRS
from ..storage_class import Storage

__all__ = ["MODEL_MOUNT_DIRS", "Storage"]
