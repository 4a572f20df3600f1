"""The package that `sealift.kserve.install()` installs as `kserve_storage`."""

from ..logs import configure_logging, logger
from ..storage_class import Storage

__all__ = ["Storage", "configure_logging", "logger"]
