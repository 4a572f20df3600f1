"""Listings that come page by page."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import anyio

from .retry import Retry
from .types import ObjectInfo

__all__ = ["Page", "listed"]

# What is on a page, and where the next one begins; None: it was the last.
Page = tuple[Sequence[ObjectInfo], str | None]


async def listed(ask: Callable[[str | None], Awaitable[Page]], retry: Retry) -> AsyncGenerator[ObjectInfo]:
    """The objects of a listing; the next page is on its way while those of this one are handed out.

    Args:
        ask: Asks for the page that begins there; None: for the first. Only the backend knows where a page begins, so
            it is here, and not in the engine, that a failed one is asked for again.
        retry: The one retry loop.
    """

    async def page(token: str | None) -> Page:
        return await retry(lambda: ask(token))

    coming = asyncio.ensure_future(page(None))
    try:
        while True:
            found, token = await coming
            if token is not None:
                coming = asyncio.ensure_future(page(token))
            for obj in found:
                yield obj
            if token is None:
                return
    finally:
        coming.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(coming, return_exceptions=True)
