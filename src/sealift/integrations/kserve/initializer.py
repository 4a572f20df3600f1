"""KServe's storage initializer: `sealift-initializer SRC DEST [SRC DEST …]`.

It takes the place of the image kserve/storage-initializer: the same arguments, environment variables and log format.
The last line of the log is the result, because Kubernetes shows the end of the log of a failed container.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from ...errors import StorageError
from ...progress.tally import Tally
from ...runtime.standard_streams import reserve_descriptors
from ...uris.redaction import redacted
from .downloads import Downloads, Pair
from .logs import configure_logging, logger
from .progress_log import log_progress
from .service_config import without_userinfo

__all__ = ["main"]

_USAGE = "Usage: sealift-initializer src_uri_0 dest_path_0 ... src_uri_n dest_path_n"
# Of KServe's confidential computing, which decrypts the model after the download.
_CONFIDENTIAL = "CONFIDENTIAL_ENABLED"


class _Terminated(BaseException):
    """The container is to be stopped.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Download each SRC into its DEST, and exit: with 0 if all are complete, after a signal with 128 and its
    number, else with 1.

    Args:
        arguments: The command line. None: that of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    reserve_descriptors()
    configure_logging()
    if not arguments or len(arguments) % 2:
        print(_USAGE)  # noqa: T201 - the output of the command
        sys.exit(1)
    pairs = [Pair(uri, dest) for uri, dest in zip(arguments[::2], arguments[1::2], strict=True)]
    shown = [(redacted(without_userinfo(uri)[0]), dest) for uri, dest in pairs]
    logger.info("Initializing, args: (src_uri, dest_path): %s", shown)
    if os.environ.get(_CONFIDENTIAL, "").strip().lower() == "true":
        logger.error(
            "Storage initialization failed: %s=true is not supported: encrypted models cannot be decrypted "
            "(use kserve/storage-initializer for this model)",
            _CONFIDENTIAL,
        )
        sys.exit(1)
    # The first process of a container ignores SIGTERM unless it handles it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _terminate)
    sys.exit(_run(pairs))


def _run(pairs: Sequence[Pair]) -> int:
    tally = Tally()
    try:
        with log_progress(tally):
            Downloads(os.environ, on_event=tally.add).run(pairs)
    except StorageError as error:
        logger.error("Storage initialization failed: %s", error)
        return 1
    except _Terminated as signalled:
        logger.error("Storage initialization failed: terminated; the next start resumes")
        return 128 + signalled.number
    except Exception as error:  # noqa: BLE001 - the last line must be the cause, whatever it is
        for line in _traceback(error):
            logger.debug("%s", line)
        logger.error("Unexpected error during storage initialization: %s", _one_line(error))
        return 1
    return 0


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    raise _Terminated(number)


def _traceback(error: Exception) -> list[str]:
    import traceback  # noqa: PLC0415 - only for errors of the program

    return "".join(traceback.format_exception(error)).rstrip("\n").split("\n")


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


if __name__ == "__main__":
    main()
