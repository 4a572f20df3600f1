"""The `progress` argument of the verbs that transfer objects."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ..types import Event, OnEvent

__all__ = ["shows_progress"]

P = ParamSpec("P")
T = TypeVar("T")


def shows_progress(verb: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Show the progress of a verb on stderr if it is called with `progress=True`.

    Args:
        verb: A method with the keyword arguments `on_event` and `progress`, of which it uses only the first.
    """

    @wraps(verb)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if not kwargs.get("progress"):
            return await verb(*args, **kwargs)
        from ..progress.display import show_progress  # noqa: PLC0415 - only for calls that show it
        from ..progress.tally import Tally  # noqa: PLC0415

        tally = Tally()
        kwargs["on_event"] = _both(tally.add, kwargs.get("on_event"))
        async with show_progress(tally, leave=True):
            return await verb(*args, **kwargs)

    return call


def _both(first: OnEvent, second: Any) -> OnEvent:
    def on_event(event: Event) -> None:
        first(event)
        if second is not None:
            second(event)

    return on_event
