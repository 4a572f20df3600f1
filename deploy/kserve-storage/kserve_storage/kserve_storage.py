"""The module of `Storage` in kserve-storage, provided by sealift."""

from sealift.integrations.kserve.kserve_storage.kserve_storage import MODEL_MOUNT_DIRS, Storage

__all__ = ["MODEL_MOUNT_DIRS", "Storage"]
