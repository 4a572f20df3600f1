"""Heads of responses that break the rules of HTTP in ways that browsers and curl tolerate, without ambiguity."""

import re

__all__ = ["repaired"]

_END = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(rb"\r?\n")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# These decide where a body ends, so two readers must not understand them differently (request smuggling).
_FRAMING = (b"content-length", b"transfer-encoding", b"connection", b"upgrade")


def repaired(data: bytes) -> bytes | None:
    r"""Return data that begins with an odd head as h11 can parse it; None: it is not complete, or not only odd.

    - A space before the colon is removed: https://www.rfc-editor.org/rfc/rfc9112#section-5.1.
    - A line whose name is not a valid one is dropped.
    - `Transfer-Encoding: identity` is dropped: it was removed from HTTP, and means none.

    Lines about the framing of the body are never guessed at: if one of them is odd in another way, the result is None.

    Args:
        data: What has arrived, beginning with the status line.

    Example:
        >>> repaired(b"HTTP/1.1 200 OK\r\nX-Frame-Options : DENY\r\ncache/page: x\r\n\r\nbody")
        b'HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\n\r\nbody'
    """
    end = _END.search(data)
    if end is None:
        return None
    status, *lines = _LINE.split(data[: end.start()])
    fields: list[bytes] = []
    identity = False
    kept = True  # the field above, to which a folded line belongs
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            if not kept and any(name in line.lower() for name in _FRAMING):
                return None
            fields += [line] if kept else []
            continue
        name, colon, value = line.partition(b":")
        bare = name.rstrip(b" \t")
        kept = bool(_NAME.fullmatch(bare))
        lower = bare.lower()
        if not colon or lower.startswith(b"http/"):  # it may be the head of another response
            return None
        if not kept:
            if any(each in line.lower() for each in _FRAMING):
                return None
        elif lower == b"transfer-encoding" and bare == name and value.strip().lower() == b"identity":
            identity, kept = True, False
        elif lower in _FRAMING and bare != name:
            return None
        else:
            fields.append(bare + b":" + value)
    if identity and any(field.lower().startswith(b"transfer-encoding") for field in fields):
        return None
    return b"\r\n".join([status, *fields]) + b"\r\n\r\n" + data[end.end() :]
