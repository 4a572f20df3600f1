"""KServe's storage handler, provided by sealift."""

from sealift.integrations.kserve.kserve_storage import Storage, configure_logging, logger

__all__ = ["Storage", "configure_logging", "logger"]
