"""The kinds of faults: what the proxy does, and which results are allowed."""

import random
from dataclasses import replace

from .injection import Context, Kind
from .messages import Reply, Request, answer
from .proxy import Exchange

__all__ = ["KINDS"]

# Bytes that a client may take for the head of a reply, or that are not one.
_GARBAGE = (b"\0\xff" * 40, b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 2OO OK\r\n\r\n", b"HTTP/2 200\r\n", b"\r\n" * 8)


# Replies


def _cut(exchange: Exchange, context: Context) -> tuple[bytes, bytes]:
    """The reply in two pieces: cut in its head, at its edges, or anywhere."""
    reply = exchange.forward()
    raw, head, rng = reply.raw, len(reply.head), context.rng
    at = rng.choice([0, rng.randrange(head), head, len(raw) - 1, rng.randrange(len(raw)), rng.randrange(len(raw))])
    return raw[:at], raw[at:]


def reset(exchange: Exchange, context: Context) -> None:
    exchange.send(_cut(exchange, context)[0])
    exchange.reset()


def truncate(exchange: Exchange, context: Context) -> None:
    exchange.send(_cut(exchange, context)[0])
    exchange.end()


def stall(exchange: Exchange, context: Context) -> None:
    if exchange.request.length and context.rng.random() < 0.5:
        exchange.receive(context.rng.randrange(exchange.request.length))
    else:
        exchange.send(_cut(exchange, context)[0])
    exchange.hold()


def trickle(exchange: Exchange, context: Context) -> None:
    reply = exchange.forward()
    at = context.rng.randrange(max(1, len(reply.body) - 1000))
    exchange.send(reply.raw[: len(reply.head) + at])
    exchange.trickle(reply.raw[len(reply.head) + at :], 0.02)


def slow_reader(exchange: Exchange, context: Context) -> None:
    exchange.receive(context.rng.randrange(exchange.request.length))
    while not exchange.closed_within(0.02):
        exchange.receive(1)
    exchange.hold()


def garbage(exchange: Exchange, context: Context) -> None:
    raw = exchange.forward().raw
    bad = context.rng.choice([*_GARBAGE, context.rng.randbytes(100)])
    exchange.send(bad + raw[context.rng.randrange(len(raw)) :])
    exchange.end()


def half_closed(exchange: Exchange, context: Context) -> None:
    exchange.body()
    exchange.finish()


def stale(exchange: Exchange, context: Context) -> None:
    """Send a good reply and close the connection after it, without announcing it."""
    exchange.reply(exchange.forward())
    exchange.end()


def lost(exchange: Exchange, context: Context) -> None:
    """Forward the request, so that the service carries it out, and lose the reply."""
    exchange.forward()
    exchange.reset()


def unavailable(exchange: Exchange, context: Context) -> None:
    exchange.body()
    exchange.reply(answer(503, b"come back later"))


def busy(exchange: Exchange, context: Context) -> None:
    exchange.body()
    exchange.reply(answer(429, b"slower", retry_after="1"))


def expired(exchange: Exchange, context: Context) -> None:
    exchange.body()
    exchange.reply(context.expired(exchange.request))


def nothing(exchange: Exchange, context: Context) -> None:
    exchange.reply(exchange.forward())


# Replies to downloads


def _damaged(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _doubled(data: bytes, rng: random.Random) -> bytes:
    """Repeat some bytes, and drop as many at the end."""
    at, count = rng.randrange(1, len(data) // 2), rng.randrange(1, 1000)
    return (data[:at] + data[max(0, at - count) : at] + data[at:])[: len(data)]


def flip(exchange: Exchange, context: Context) -> None:
    reply = exchange.forward()
    exchange.send(reply.head + _damaged(reply.body, context.rng))


def duplicate(exchange: Exchange, context: Context) -> None:
    reply = exchange.forward()
    exchange.send(reply.head + _doubled(reply.body, context.rng))


def too_much(exchange: Exchange, context: Context) -> None:
    """Send bytes after the end of the reply."""
    reply = exchange.forward()
    exchange.send(reply.raw + reply.body[-context.rng.randrange(1, 1000) :])


def whole(exchange: Exchange, context: Context) -> None:
    """Reply to a range request with the whole object."""
    reply = exchange.forward().without("content-range").having("content-length", str(len(context.whole)))
    exchange.reply(replace(reply, status=200, reason="OK", body=context.whole))


def other_range(exchange: Exchange, context: Context) -> None:
    """Reply with another range, with a Content-Range that says another range, or with an invalid one."""
    reply = exchange.forward()
    start, count, size = _start(exchange.request), len(reply.body), len(context.whole)
    other, shift = _other_start(exchange.request, reply, context), context.rng.randrange(1, 5000)
    if context.rng.random() < 0.5:
        body = context.whole[other : other + count]
        exchange.reply(replace(reply, body=body).having("content-range", f"bytes {other}-{other + count - 1}/{size}"))
        return
    headers = [
        f"bytes {other}-{other + count - 1}/{size}",
        f"bytes {start}-{start + count - 1}/{size + shift}",
        f"bytes {start}-{start + count - 1}/{start + count - 2}",
        f"bytes */{size}",
        f"bytes={start}-{start + count - 1}/{size}",
        f"items {start}-{start + count - 1}/{size}",
        "bytes ",
    ]
    exchange.reply(reply.having("content-range", context.rng.choice(headers)))


def other_bytes(exchange: Exchange, context: Context) -> None:
    """Reply with the bytes of another range and the Content-Range of the requested one."""
    reply = exchange.forward()
    other = _other_start(exchange.request, reply, context)
    exchange.reply(replace(reply, body=context.whole[other : other + len(reply.body)]))


def _start(request: Request) -> int:
    return int((request.header("range") or "").removeprefix("bytes=").partition("-")[0])


def _other_start(request: Request, reply: Reply, context: Context) -> int:
    """The start of another range of this length."""
    start, last = _start(request), len(context.whole) - len(reply.body)
    shift = context.rng.choice([-1, 1]) * context.rng.randrange(1, 1000)
    other = max(0, min(start + shift, last))
    return other if other != start else start + 1 if start < last else start - 1


_OTHER = {"etag": '"0x8DCAFE0000000"', "x-goog-generation": "1234567890", "x-repo-commit": "c" * 40}


def other_tag(exchange: Exchange, context: Context) -> None:
    """Report the object as replaced, in the headers of this and all later replies."""
    reply = exchange.forward()
    for name, value in _OTHER.items():
        if reply.header(name) is not None:
            reply = reply.having(name, value)
    exchange.reply(reply)


def replaced(exchange: Exchange, context: Context) -> None:
    """Replace the object just before it is read further."""
    context.swap()
    exchange.reply(exchange.forward())


# Requests of uploads


def cut_off(exchange: Exchange, context: Context) -> None:
    """Reset both connections in the middle of a body."""
    exchange.forward_cut(context.rng.randrange(exchange.request.length))
    exchange.reset()


def refused_early(exchange: Exchange, context: Context) -> None:
    """Reply 503 before the body was read."""
    exchange.receive(context.rng.choice([0, context.rng.randrange(exchange.request.length)]))
    exchange.reply(answer(503, b"not now", connection="close"))
    if context.rng.random() < 0.5:
        exchange.drain()
    exchange.reset()


def flip_sent(exchange: Exchange, context: Context) -> None:
    exchange.reply(exchange.forward(_damaged(exchange.body(), context.rng)))


def duplicate_sent(exchange: Exchange, context: Context) -> None:
    exchange.reply(exchange.forward(_doubled(exchange.body(), context.rng)))


KINDS: dict[str, Kind] = {
    "reset": Kind(reset),
    "truncate": Kind(truncate),
    "stall": Kind(stall, impatient=True),
    "trickle": Kind(trickle, ("download",), bodies=True, impatient=True),
    "garbage": Kind(garbage),
    "half-closed": Kind(half_closed),
    "stale": Kind(stale, times=(1, 3, 0)),
    "lost": Kind(lost),
    "unavailable": Kind(unavailable, times=(1, 2, 3)),
    "outage": Kind(unavailable, times=(8, 0), heals=False),
    "busy": Kind(busy),
    "expired": Kind(expired, heals=False),
    "slow-tls": Kind(nothing, times=(0,), tls=0.1),
    "flip": Kind(flip, ("download",), bodies=True, heals=False, corrupts=True),
    "duplicate": Kind(duplicate, ("download",), bodies=True, heals=False, corrupts=True),
    "too-much": Kind(too_much, ("download",), bodies=True),
    "whole": Kind(whole, ("download",), bodies=True, ranges=True),
    "other-range": Kind(other_range, ("download",), bodies=True, ranges=True, heals=False),
    "other-bytes": Kind(other_bytes, ("download",), bodies=True, ranges=True, heals=False, corrupts=True),
    "other-tag": Kind(other_tag, ("download",), bodies=True, times=(0,), heals=False),
    "replaced": Kind(replaced, ("download",), heals=False),
    "cut-off": Kind(cut_off, ("upload",), bodies=True),
    "slow-reader": Kind(slow_reader, ("upload",), bodies=True, impatient=True),
    "refused-early": Kind(refused_early, ("upload",), bodies=True),
    "flip-sent": Kind(flip_sent, ("upload",), bodies=True, heals=False, corrupts=True),
    "duplicate-sent": Kind(duplicate_sent, ("upload",), bodies=True, heals=False, corrupts=True),
}
