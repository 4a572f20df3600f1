"""Async generators that are used within others, and do not outlive them.

An event loop that ends closes all async generators that it knows, at once: those that nobody has closed, for example
because a loop over them was left by `break`. One that is suspended within another one would be closed twice, by the
loop and by the other one, which fails:
https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens.
"""

import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Generic, Self, TypeVar

__all__ = ["NestedGenerator"]

T = TypeVar("T")


class NestedGenerator(Generic[T]):
    """A generator that the event loop does not know, nor those that begin with its first item.

    Whoever uses it must close it.

    Args:
        generator: The generator, before its first item.

    Example:
        >>> async def doubled(numbers: AsyncGenerator[int]) -> AsyncGenerator[int]:
        ...     async with aclosing(NestedGenerator(numbers)) as nested:
        ...         async for number in nested:
        ...             yield 2 * number
    """

    def __init__(self, generator: AsyncGenerator[T]) -> None:
        self._generator = generator
        self._begun = False

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[T]:
        if self._begun:  # the rest costs nothing: there may be a million items
            return self._generator.__anext__()
        self._begun = True
        return _awaited_unknown(self._generator.__anext__)

    def aclose(self) -> Awaitable[None]:
        """Close the generator."""
        return self._generator.aclose()


@types.coroutine
def _awaited_unknown(function: Callable[[], Awaitable[T]]) -> Generator[Any, Any, T]:
    """Await what a function returns. Generators that begin meanwhile, in this task, are not known to the event loop.

    The loop learns of a generator by a hook of its thread, which is absent while the task runs, and only then:
    https://docs.python.org/3/library/sys.html#sys.set_asyncgen_hooks.
    """
    steps: Generator[Any, Any, T] | None = None
    argument: Any = None
    error: BaseException | None = None
    try:
        while True:
            hook = sys.get_asyncgen_hooks().firstiter
            sys.set_asyncgen_hooks(firstiter=None)
            try:
                if steps is None:
                    steps = function().__await__()
                request = steps.send(argument) if error is None else steps.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                sys.set_asyncgen_hooks(firstiter=hook)
            argument = error = None
            try:
                argument = yield request
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - raised in the generator
                error = thrown
    finally:
        error = None  # refers to this frame by its traceback
