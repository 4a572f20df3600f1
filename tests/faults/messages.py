"""Requests and replies as the proxy sees them."""

from dataclasses import dataclass, field, replace

__all__ = ["Asked", "Reply", "answer"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's head.

    Attributes:
        place: Which of several proxies it came to.
        headers: In their order, as they came.
    """

    place: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        return next((value for given, value in self.headers if given.lower() == name), None)

    @property
    def length(self) -> int:
        return int(self.header("content-length") or 0)

    def without(self, name: str) -> "Asked":
        return replace(self, headers=tuple(each for each in self.headers if each[0].lower() != name))

    def having(self, name: str, value: str) -> "Asked":
        return replace(self, headers=(*self.without(name).headers, (name, value)))


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply.

    Attributes:
        body: Without any framing.
        chunked: Whether it is sent in chunks.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    reason: str = "Status"
    chunked: bool = False

    def header(self, name: str) -> str | None:
        return next((value for given, value in self.headers if given.lower() == name), None)

    def without(self, name: str) -> "Reply":
        return replace(self, headers=tuple(each for each in self.headers if each[0].lower() != name))

    def having(self, name: str, value: str) -> "Reply":
        return replace(self, headers=(*self.without(name).headers, (name, value)))

    @property
    def unframed(self) -> bool:
        """Whether its body goes up to the end of the connection."""
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
    """A reply of the proxy's own; a header's name has "_" for "-"."""
    told = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, (*told, ("content-length", str(len(body)))), body)
