"""How much is printed on stderr: --quiet, --verbose, and the log of --verbose and --debug."""

import click

from ..progress.lines import print_line
from .escaping import printable
from .settings import Settings

__all__ = ["be_quiet", "be_verbose"]

_KEY = "sealift.cli.logs"


def be_quiet(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Store that only errors and warnings are printed."""
    if value and not ctx.resilient_parsing:
        settings = ctx.ensure_object(Settings)
        settings.quiet = True
        _refuse_both(settings)


def be_verbose(ctx: click.Context, _param: click.Parameter, value: int | bool) -> None:
    """Store how verbose to be, and begin to log: with 1 each call, with 2 or more each request."""
    if value and not ctx.resilient_parsing:
        settings = ctx.ensure_object(Settings)
        settings.verbose += 2 if value is True else value
        _refuse_both(settings)
        _log_to_stderr(ctx.find_root(), settings.verbose)


def _refuse_both(settings: Settings) -> None:
    if settings.quiet and settings.verbose:
        raise click.UsageError("-q cannot be combined with -v or --debug")


def _log_to_stderr(ctx: click.Context, verbose: int) -> None:
    """Log until a context is closed."""
    import logging  # noqa: PLC0415 - most commands log nothing

    logger = logging.getLogger("sealift")
    if _KEY not in ctx.meta:

        class Handler(logging.Handler):
            """Prints records above the progress bar."""

            def emit(self, record: logging.LogRecord) -> None:
                try:
                    print_line(printable(self.format(record)))
                except OSError:  # stderr is closed
                    self.handleError(record)

        handler, level = Handler(), logger.level
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        # Retries are printed by `Report` and `Settings.on_wait`, with the names of the objects.
        handler.addFilter(lambda record: record.name != "sealift.retries")
        logger.addHandler(handler)
        ctx.meta[_KEY] = handler
        ctx.call_on_close(lambda: logger.removeHandler(handler))
        ctx.call_on_close(lambda: logger.setLevel(level))
    logger.setLevel(logging.INFO if verbose == 1 else logging.DEBUG)
