"""Listings that come page by page."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import anyio

from ..errors import ServiceError
from ..types import ObjectInfo
from .retry import Retry

__all__ = ["Page", "Tokens", "listed"]

# What is on a page, and where the next one begins; None: it was the last.
Page = tuple[Sequence[ObjectInfo], str | None]


class Tokens:
    """The continuation tokens of one listing: raises when they repeat, since such a listing never ends.

    Finds cycles of any length, and keeps one token only (Brent's algorithm).

    Args:
        what: What is listed, for the error: "the listing".

    Example:
        >>> tokens = Tokens("the listing")
        >>> tokens.check("a")
        >>> tokens.check("a")
        Traceback (most recent call last):
        sealift.errors.ServiceError: the listing does not advance: the service repeats its continuation token
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._kept: str | None = None
        self._since = 0
        self._most = 1

    def check(self, token: str) -> None:
        """Take the token of the next page.

        Raises:
            ServiceError: The service has sent it before.
        """
        if token == self._kept:
            raise ServiceError(f"{self._what} does not advance: the service repeats its continuation token")
        self._since += 1
        if self._since == self._most:
            self._kept, self._since, self._most = token, 0, 2 * self._most


async def listed(ask: Callable[[str | None], Awaitable[Page]], retry: Retry) -> AsyncGenerator[ObjectInfo]:
    """The objects of a listing; the next page is on its way while those of this one are handed out.

    Args:
        ask: Asks for the page that begins there; None: for the first. Only the backend knows where a page begins, so
            it is here, and not in the engine, that a failed one is asked for again.
        retry: The one retry loop.

    Raises:
        ServiceError: A continuation token comes a second time.
    """
    tokens = Tokens("the listing")

    async def page(token: str | None) -> Page:
        return await retry(lambda: ask(token))

    coming = asyncio.ensure_future(page(None))
    try:
        while True:
            found, token = await coming
            if token is not None:
                tokens.check(token)
                coming = asyncio.ensure_future(page(token))
            for obj in found:
                yield obj
            if token is None:
                return
    finally:
        coming.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(coming, return_exceptions=True)
