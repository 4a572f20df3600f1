"""Paginated listings."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from ..errors import ServiceError
from ..types import ObjectInfo
from .retry import Retry
from .shielded import shielded

__all__ = ["ContinuationTokens", "Page", "one_level", "paginate"]

# The objects on a page, and the continuation token of the next page; None: this page is the last.
Page = tuple[Sequence[ObjectInfo], str | None]


class ContinuationTokens:
    """Checks the continuation tokens of one listing: if they repeat, the listing would never end.

    Detects cycles of any length while keeping a single token (Brent's algorithm).

    Args:
        what: The subject of the error message: "the listing".

    Example:
        >>> tokens = ContinuationTokens("the listing")
        >>> tokens.check("a")
        >>> tokens.check("a")
        Traceback (most recent call last):
        sealift.errors.ServiceError: the listing does not advance: the service repeats its continuation token
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._saved: str | None = None
        self._steps = 0
        self._max_steps = 1

    def check(self, token: str) -> None:
        """Check the token of the next page.

        Raises:
            ServiceError: The service has already sent this token.
        """
        if token == self._saved:
            raise ServiceError(f"{self._what} does not advance: the service repeats its continuation token")
        self._steps += 1
        if self._steps == self._max_steps:
            self._saved, self._steps, self._max_steps = token, 0, 2 * self._max_steps


async def paginate(fetch: Callable[[str | None], Awaitable[Page]], retry: Retry) -> AsyncGenerator[ObjectInfo]:
    """Yield the objects of a listing; fetches the next page while the objects of this one are yielded.

    Args:
        fetch: Requests the page with this continuation token; None: the first page. Pages are retried here, not in the
            engine, because only the backend knows their tokens.
        retry: The instance's retry loop.

    Raises:
        ServiceError: A continuation token repeats.
    """
    tokens = ContinuationTokens("the listing")

    async def page(token: str | None) -> Page:
        return await retry(lambda: fetch(token))

    upcoming = asyncio.ensure_future(page(None))
    try:
        while True:
            objects, token = await upcoming
            if token is not None:
                tokens.check(token)
                upcoming = asyncio.ensure_future(page(token))
                await asyncio.sleep(0)  # send the request now: the code that iterates may not wait for anything
            for obj in objects:
                yield obj
            if token is None:
                return
    finally:
        upcoming.cancel()
        await shielded(asyncio.gather(upcoming, return_exceptions=True))


async def one_level(objects: AsyncGenerator[ObjectInfo], prefix: str) -> AsyncGenerator[ObjectInfo]:
    """Reduce a listing to one level, for a service that cannot: the objects of that level, and each prefix once.

    Args:
        objects: All objects below the prefix.
        prefix: The prefix.
    """
    seen: set[str] = set()
    async with aclosing(objects):
        async for obj in objects:
            name, slash, _ = obj.key[len(prefix) :].partition("/")
            if not slash:
                yield obj
            elif name not in seen:
                seen.add(name)
                yield ObjectInfo(f"{prefix}{name}/", None, is_prefix=True)
