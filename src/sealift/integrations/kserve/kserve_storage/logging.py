"""The module `kserve_storage.logging`."""

from ..logs import DATE_FORMAT as KSERVE_STORAGE_LOGGER_DATE_FORMAT
from ..logs import LOG_CONFIG as KSERVE_STORAGE_LOG_CONFIG
from ..logs import LOGGER_FORMAT as KSERVE_STORAGE_LOGGER_FORMAT
from ..logs import LOGGER_NAME as KSERVE_STORAGE_LOGGER_NAME
from ..logs import LOGLEVEL as KSERVE_STORAGE_LOGLEVEL
from ..logs import TRACE_LOGGER_FORMAT as KSERVE_STORAGE_TRACE_LOGGER_FORMAT
from ..logs import TRACE_LOGGER_NAME as KSERVE_STORAGE_TRACE_LOGGER_NAME
from ..logs import configure_logging, logger, trace_logger

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
