"""The frame around all commands: signals and exceptions become exit codes."""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

from ..runtime.event_loop import loop_factory
from .exit_codes import FAILURE, Interrupted, code_of, message_of
from .options import Settings

__all__ = ["Program", "run"]

T = TypeVar("T")


class Program(click.Group):
    """A group of commands whose failures are one line on stderr and an exit code of `sealift.cli.exit_codes`."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command line and exit."""
        settings = Settings()
        extra |= {"standalone_mode": False, "obj": settings}
        with _sigterm_like_sigint() as signals:
            try:
                code = super().main(*args, **extra)
            except BrokenPipeError:  # as in `sealift ls … | head`: nobody is there to be told
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                code = FAILURE
            except Exception as error:  # noqa: BLE001 - a command's user gets no traceback, unless he asks
                if settings.verbose:
                    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
                click.echo(f"error: {message_of(error)}", err=True)
                code = code_of(error, signals)
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print an empty line, and "Aborted!"
            raise Interrupted from None


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop of our own. Ctrl-C cancels it and waits for its cleanup; a second one does not wait."""
    with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
        return runner.run(work())


@contextmanager
def _sigterm_like_sigint() -> Iterator[list[int]]:
    """Take SIGTERM, which an orchestrator sends, as Ctrl-C: one way out. Gives the SIGTERMs that came."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        came.append(number)
        on_interrupt = signal.getsignal(signal.SIGINT)
        if not callable(on_interrupt):  # SIGINT is ignored, as in a background job of a script
            raise KeyboardInterrupt
        on_interrupt(number, frame)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
