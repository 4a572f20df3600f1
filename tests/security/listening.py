"""Record everything that a program could leak: logs at every level, child processes, variables, and what tests add."""

import base64
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass
class Heard:
    """Everything that a program could leak in one round of calls."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, *texts: object) -> None:
        self.texts += [(where, text if isinstance(text, str) else repr(text)) for text in texts]

    def shown(self, known: Sequence[str]) -> list[str]:
        """Return the places that contain one of these secrets, verbatim or encoded."""
        forms = {form for secret in known for form in (secret, quote(secret, safe=""), secret.replace("\n", "\\n"))}
        forms |= {base64.b64encode(secret.encode()).decode().rstrip("=") for secret in known}
        return [f"{where}: {text[:300]}" for where, text in self.texts if any(form in text for form in forms)]


class Ear(logging.Handler):
    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.NOTSET)
        self._heard = heard
        self._format = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.add(f"log {record.name}", self._format.format(record), record.args, record.msg, vars(record))


_audited: list[Heard] = []
_STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.putenv"}


def _audit(event: str, args: tuple[object, ...]) -> None:
    if _audited and event in _STARTS:
        _audited[-1].add(event, args)


sys.addaudithook(_audit)  # audit hooks cannot be removed, so this one ignores events outside of listening()


@contextmanager
def listening() -> Iterator[Heard]:
    """Record every logger at its lowest level, and every child process."""
    heard = Heard()
    ear, root = Ear(heard), logging.getLogger()
    named = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    loggers = [root, *(logger for logger in named if not logger.name.startswith(("moto", "werkzeug", "hypothesis")))]
    before = [(logger, logger.level) for logger in loggers]
    root.addHandler(ear)
    _audited.append(heard)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        _audited.pop()
        root.removeHandler(ear)
        for logger, level in before:
            logger.setLevel(level)
