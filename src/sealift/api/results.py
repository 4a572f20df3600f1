"""The results of a call that are handed out one by one, with the location open until the last."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Generic, Self, TypeVar

from ..operations.deadline import Deadline
from ..operations.open_location import OpenLocation
from ..runtime.nested_generators import NestedGenerator
from ..runtime.shielded import shielded

__all__ = ["Results"]

T = TypeVar("T")


class Results(Generic[T]):
    """An iterator over the results of a generator, for another generator that closes it.

    Args:
        open_location: Opens the location, which the given resources close.
        function: Returns the generator.
        deadline: Cancels the generator, but never the code of the caller between two results.
    """

    def __init__(
        self,
        open_location: Callable[[AsyncExitStack], Awaitable[OpenLocation]],
        function: Callable[[OpenLocation], AsyncGenerator[T]],
        deadline: Deadline,
    ) -> None:
        self._open_location = open_location
        self._function = function
        self._deadline = deadline
        self._resources = AsyncExitStack()
        self._results: NestedGenerator[T] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            if self._results is None:
                place = await self._open_location(self._resources)
                generator = NestedGenerator(self._function(place))
                self._results = await self._resources.enter_async_context(aclosing(generator))
            if self._deadline.end is None:  # a listing may have a million results
                return await anext(self._results)
            with self._deadline.enforced():
                return await anext(self._results)
        except StopAsyncIteration:
            await self._resources.aclose()
            raise
        except BaseException as error:
            await self._resources.__aexit__(type(error), error, error.__traceback__)  # names the operation
            raise

    async def aclose(self) -> None:
        """Close the location.

        A single `await`: an event loop that ends may cancel the task that closes a generator before it begins, and
        Python 3.11 then closes the generator a second time, during this.
        """
        await shielded(self._resources.aclose())
