"""Run commands: start the event loop, handle signals, and turn exceptions into exit codes."""

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
from ..runtime.standard_streams import reserve_descriptors
from .error_json import error_json
from .escaping import visible
from .exit_codes import FAILURE, Interrupted, code_of, message_of
from .log_warnings import shown_warnings
from .option_groups import Command, write_options
from .settings import Settings
from .terminal import outlive_terminal

__all__ = ["CommandGroup", "run"]

T = TypeVar("T")

# Handled like Ctrl-C: what orchestrators send, and what the end of a terminal or an ssh connection sends.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class CommandGroup(click.Group):
    """A command group that reports an error as one line on stderr and an exit code of `exit_codes.py`."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command line and exit."""
        settings = Settings()
        extra |= {"standalone_mode": False, "obj": settings}
        reserve_descriptors()
        outlive_terminal()
        with _other_signals_as_sigint() as signals, shown_warnings(settings):
            try:
                code = super().main(*args, **extra)
            except BrokenPipeError:  # as in `sealift ls … | head`: the reader has exited, so print nothing
                if sys.stdout is not None:
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                code = FAILURE
            except Exception as error:  # noqa: BLE001 - print a traceback only with --verbose
                if settings.verbose:
                    for line in "".join(traceback.format_exception(error)).rstrip("\n").split("\n"):
                        click.echo(visible(line), err=True)
                code = code_of(error, signals)
                click.echo(error_json(error, code) if settings.as_json else f"error: {message_of(error)}", err=True)
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the requested command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print an empty line and "Aborted!"
            raise Interrupted from None


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a new event loop. Ctrl-C cancels it and waits for cleanup; a second Ctrl-C does not wait."""
    with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
        return runner.run(work())


@contextmanager
def _other_signals_as_sigint() -> Iterator[list[int]]:
    """Handle SIGTERM and SIGHUP like Ctrl-C, unless they are ignored, as by `nohup`. Yields those received."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        sigint_handler = signal.getsignal(signal.SIGINT)
        if not callable(sigint_handler):  # SIGINT is ignored, as in a background job of a script
            raise KeyboardInterrupt
        sigint_handler(number, frame)

    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, interrupt) for number in handled}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
