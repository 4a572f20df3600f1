"""The framing of Git's protocol: https://git-scm.com/docs/gitprotocol-common#_pkt_line_format."""

from ...contract import Reader
from ...errors import ServiceError, TransportError

__all__ = ["FLUSH", "PacketReader", "packet"]

FLUSH = b"0000"
_LONGEST = 65_520
_BUFFER = 65_536


def packet(text: str) -> bytes:
    r"""Encode a line.

    Example:
        >>> packet("done\n")
        b'0009done\n'
    """
    data = text.encode()
    return f"{len(data) + 4:04x}".encode() + data


class PacketReader:
    """Reads packets from a body.

    Args:
        body: The body.
    """

    def __init__(self, body: Reader) -> None:
        self._body = body
        self._view = memoryview(bytearray(_BUFFER))
        self._rest = bytearray()

    async def read(self) -> bytes | None:
        """Read the next packet; None: a flush packet.

        Raises:
            TransportError: The body ends within a packet, or before one. Retryable.
            ServiceError: It is not in this format, or the packet is an error message of the server.
        """
        head = await self._take(4)
        try:
            length = int(head, 16)
        except ValueError:
            length = -1
        if length == 0:
            return None
        if not 4 <= length <= _LONGEST:
            raise ServiceError("the server's reply is not in Git's format", hint="is this a Git repository?")
        data = await self._take(length - 4)
        if data.startswith(b"ERR "):
            text = "".join(each for each in data[4:].decode(errors="replace") if each.isprintable())
            raise ServiceError(f"the Git server reports an error: {text[:300]}")
        return data

    async def _take(self, count: int) -> bytes:
        while len(self._rest) < count:
            received = await self._body.readinto(self._view)
            if not received:
                raise TransportError("the Git server's reply is incomplete", retryable=True)
            self._rest += self._view[:received]
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken
