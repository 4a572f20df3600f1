"""Requests and replies as the proxy sees them."""

from dataclasses import dataclass, field, replace

__all__ = ["Reply", "Request", "answer"]


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request.

    Attributes:
        proxy_index: Which of several proxies received it.
        headers: In the order in which they were received.
    """

    proxy_index: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        return next((value for other, value in self.headers if other.lower() == name), None)

    @property
    def length(self) -> int:
        return int(self.header("content-length") or 0)

    def without(self, name: str) -> "Request":
        return replace(self, headers=tuple(each for each in self.headers if each[0].lower() != name))

    def having(self, name: str, value: str) -> "Request":
        return replace(self, headers=(*self.without(name).headers, (name, value)))


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply.

    Attributes:
        body: Without framing.
        chunked: Whether it is sent in chunks.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    reason: str = "Status"
    chunked: bool = False

    def header(self, name: str) -> str | None:
        return next((value for other, value in self.headers if other.lower() == name), None)

    def without(self, name: str) -> "Reply":
        return replace(self, headers=tuple(each for each in self.headers if each[0].lower() != name))

    def having(self, name: str, value: str) -> "Reply":
        return replace(self, headers=(*self.without(name).headers, (name, value)))

    @property
    def unframed(self) -> bool:
        """Whether the body ends with the connection."""
        return not self.chunked and self.header("content-length") is None and self.status not in {204, 304}

    @property
    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    @property
    def raw(self) -> bytes:
        if not self.chunked:
            return self.head + self.body
        pieces = [self.body[start : start + 1000] for start in range(0, len(self.body), 1000)]
        return self.head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def answer(status: int, body: bytes = b"", **headers: str) -> Reply:
    """A reply made by the proxy; "_" in a keyword stands for "-"."""
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, (*fields, ("content-length", str(len(body)))), body)
