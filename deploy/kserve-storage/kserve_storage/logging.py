"""The log of kserve-storage, provided by sealift."""

from sealift.integrations.kserve.kserve_storage.logging import (
    KSERVE_STORAGE_LOG_CONFIG,
    KSERVE_STORAGE_LOGGER_DATE_FORMAT,
    KSERVE_STORAGE_LOGGER_FORMAT,
    KSERVE_STORAGE_LOGGER_NAME,
    KSERVE_STORAGE_LOGLEVEL,
    KSERVE_STORAGE_TRACE_LOGGER_FORMAT,
    KSERVE_STORAGE_TRACE_LOGGER_NAME,
    configure_logging,
    logger,
    trace_logger,
)

__all__ = [
    "KSERVE_STORAGE_LOGGER_DATE_FORMAT",
    "KSERVE_STORAGE_LOGGER_FORMAT",
    "KSERVE_STORAGE_LOGGER_NAME",
    "KSERVE_STORAGE_LOGLEVEL",
    "KSERVE_STORAGE_LOG_CONFIG",
    "KSERVE_STORAGE_TRACE_LOGGER_FORMAT",
    "KSERVE_STORAGE_TRACE_LOGGER_NAME",
    "configure_logging",
    "logger",
    "trace_logger",
]
