"""The log of the storage initializer: names and format of kserve-storage, so that filters and searches keep working."""

import logging
from typing import Any

from ...errors import InvalidConfig

__all__ = ["configure_logging", "logger", "trace_logger"]

LOGLEVEL = "DEBUG"
LOGGER_NAME = "storage.initializer"
TRACE_LOGGER_NAME = "storage.initializer.trace"
LOGGER_FORMAT = (
    "%(asctime)s.%(msecs)03d %(process)s %(name)s %(levelname)s [%(filename)s:%(funcName)s():%(lineno)s] %(message)s"
)
TRACE_LOGGER_FORMAT = "%(asctime)s.%(msecs)03d %(process)s %(name)s %(message)s"
DATE_FORMAT = "%Y-%m-%d %H:%M:%S"


def _formatter(pattern: str) -> dict[str, str]:
    return {"()": "logging.Formatter", "fmt": pattern, "datefmt": DATE_FORMAT}


def _handler(formatter: str) -> dict[str, str]:
    return {"formatter": formatter, "class": "logging.StreamHandler", "stream": "ext://sys.stderr"}


LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"storage": _formatter(LOGGER_FORMAT), "storage_trace": _formatter(TRACE_LOGGER_FORMAT)},
    "handlers": {"storage": _handler("storage"), "storage_trace": _handler("storage_trace")},
    "loggers": {
        "storage": {"handlers": ["storage"], "level": LOGLEVEL, "propagate": False},
        "storage.trace": {"handlers": ["storage_trace"], "level": LOGLEVEL, "propagate": False},
    },
}

logger = logging.getLogger(LOGGER_NAME)
trace_logger = logging.getLogger(TRACE_LOGGER_NAME)


def configure_logging(log_config: dict[str, Any] | str | None = None) -> None:
    """Configure the loggers below "storage".

    Args:
        log_config: A configuration for `logging.config.dictConfig`, or the path of a file that holds one as JSON
            (.json) or YAML (.yaml, .yml; needs PyYAML), or of one for `logging.config.fileConfig`. None: lines on
            stderr in the format of kserve-storage.

    Raises:
        InvalidConfig: The file is YAML, and PyYAML is not installed.
    """
    import logging.config  # noqa: PLC0415 - slow to import, and not needed by programs with a log of their own

    if log_config is None:
        logging.config.dictConfig(LOG_CONFIG)
    elif isinstance(log_config, dict):
        logging.config.dictConfig(log_config)
    elif log_config.endswith(".json"):
        import json  # noqa: PLC0415

        with open(log_config, encoding="utf-8") as file:
            logging.config.dictConfig(json.load(file))
    elif log_config.endswith((".yaml", ".yml")):
        try:
            import yaml  # noqa: PLC0415 - the only use of PyYAML
        except ImportError:
            raise InvalidConfig(
                f"the log configuration {log_config} is YAML, and PyYAML is not installed",
                hint="install PyYAML, or write it as JSON",
            ) from None
        with open(log_config, encoding="utf-8") as file:
            logging.config.dictConfig(yaml.safe_load(file))
    else:
        logging.config.fileConfig(log_config, disable_existing_loggers=False)
