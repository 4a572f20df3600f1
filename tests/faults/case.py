"""One transfer with one fault, and the call that runs it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import uvloop

from sealift import AsyncStorage, Event, Limits
from sealift.config import StorageConfig

from .injection import Direction, Kind
from .kinds import KINDS

__all__ = ["Case", "Run", "Violation", "call"]


# Seconds: far more than any case takes on a busy machine.
PATIENCE = 60.0


class Violation(AssertionError):
    """A fault had a result that must not happen."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault on a storage, in a direction, and the seed that decides everything else.

    Example:
        >>> str(Case("flip", "s3", "download", 7))
        's3-download-flip-7'
    """

    fault: str
    storage: str
    direction: Direction
    seed: int

    def __str__(self) -> str:
        return f"{self.storage}-{self.direction}-{self.fault}-{self.seed}"

    @property
    def kind(self) -> Kind:
        return KINDS[self.fault]

    @property
    def uses_uvloop(self) -> bool:
        return self.seed % 2 == 1


@dataclass(slots=True)
class Run:
    """The result of one call.

    Attributes:
        error: The exception that it raised.
        verified: Key → `Event.verified`.
        delays: Seconds before each retry.
    """

    error: BaseException | None = None
    verified: dict[str, str | None] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)

    def on_event(self, event: Event) -> None:
        if event.kind == "object":
            self.verified[event.target] = event.verified
        elif event.kind == "retry":
            self.delays.append(event.delay)


def call(
    case: Case,
    limits: Limits,
    source: str,
    target: str,
    config: StorageConfig | None,
    environ: Mapping[str, str],
) -> Run:
    """Run the upload or download of a case to its end.

    Raises:
        Violation: It does not end.
    """
    run = Run()

    async def move() -> None:
        storage = AsyncStorage(limits, environ=environ)
        verb = storage.upload if case.direction == "upload" else storage.download
        async with asyncio.timeout(PATIENCE):
            await verb(source, target, config=config, on_event=run.on_event)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if case.uses_uvloop else None) as runner:
            runner.run(move())
    except TimeoutError as error:
        raise Violation("the call does not end") from error
    except Exception as error:
        run.error = error
    return run
