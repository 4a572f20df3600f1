"""Bound the bytes of one call that are in flight."""

import asyncio

__all__ = ["InFlight"]


class InFlight:
    """Counts the bytes that a call has and its caller does not: of tensors, and of buffers beside them.

    Both wait until there is room. A tensor may be larger than the limit, and is then the only one. So may a buffer be,
    because a tensor that was begun cannot be completed without one.

    Args:
        limit: Bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tensors = self._buffers = 0
        self._room = asyncio.Event()

    async def add_tensors(self, size: int) -> None:
        """Wait for room for tensors.

        Args:
            size: Their bytes.
        """
        while self._tensors and self._is_too_much(size):
            await self._wait()
        self._tensors += size

    async def add_buffer(self, size: int) -> None:
        """Wait for room for a buffer.

        Args:
            size: Its bytes.
        """
        while self._buffers and self._is_too_much(size):
            await self._wait()
        self._buffers += size

    def remove_tensors(self, size: int) -> None:
        """The caller has them."""
        self._tensors -= size
        self._room.set()

    def remove_buffer(self, size: int) -> None:
        """It is free."""
        self._buffers -= size
        self._room.set()

    def _is_too_much(self, size: int) -> bool:
        return self._tensors + self._buffers + size > self._limit

    async def _wait(self) -> None:
        self._room.clear()
        await self._room.wait()
