"""What goes wrong: each fault as a few lines of what the proxy does, and what may come of it."""

import random
from dataclasses import replace

from .harm import Around, Kind
from .messages import Asked, Reply, answer
from .proxy import Exchange

__all__ = ["KINDS"]

# Bytes of a reply that any client takes for its head, or for no head at all.
_GARBAGE = (b"\0\xff" * 40, b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 2OO OK\r\n\r\n", b"HTTP/2 200\r\n", b"\r\n" * 8)


# Replies


def _cut(exchange: Exchange, around: Around) -> tuple[bytes, bytes]:
    """The reply in two pieces, neither of them often empty: cut in its head, at its edges, or anywhere."""
    reply = exchange.forward()
    raw, head, dice = reply.raw, len(reply.head), around.dice
    at = dice.choice([0, dice.randrange(head), head, len(raw) - 1, dice.randrange(len(raw)), dice.randrange(len(raw))])
    return raw[:at], raw[at:]


def reset(exchange: Exchange, around: Around) -> None:
    exchange.send(_cut(exchange, around)[0])
    exchange.reset()


def truncate(exchange: Exchange, around: Around) -> None:
    exchange.send(_cut(exchange, around)[0])
    exchange.end()


def stall(exchange: Exchange, around: Around) -> None:
    if exchange.asked.length and around.dice.random() < 0.5:
        exchange.some(around.dice.randrange(exchange.asked.length))
    else:
        exchange.send(_cut(exchange, around)[0])
    exchange.hold()


def trickle(exchange: Exchange, around: Around) -> None:
    reply = exchange.forward()
    at = around.dice.randrange(max(1, len(reply.body) - 1000))
    exchange.send(reply.raw[: len(reply.head) + at])
    exchange.trickle(reply.raw[len(reply.head) + at :], 0.02)


def slow_reader(exchange: Exchange, around: Around) -> None:
    exchange.some(around.dice.randrange(exchange.asked.length))
    while not exchange.over(0.02):
        exchange.some(1)
    exchange.hold()


def garbage(exchange: Exchange, around: Around) -> None:
    raw = exchange.forward().raw
    bad = around.dice.choice([*_GARBAGE, around.dice.randbytes(100)])
    exchange.send(bad + raw[around.dice.randrange(len(raw)) :])
    exchange.end()


def half_closed(exchange: Exchange, around: Around) -> None:
    exchange.body()
    exchange.finish()


def stale(exchange: Exchange, around: Around) -> None:
    """The reply is good; the connection has ended behind it, which nobody was told of."""
    exchange.reply(exchange.forward())
    exchange.end()


def lost(exchange: Exchange, around: Around) -> None:
    """The service has done what it was asked for, and nobody hears of it."""
    exchange.forward()
    exchange.reset()


def unavailable(exchange: Exchange, around: Around) -> None:
    exchange.body()
    exchange.reply(answer(503, b"come back later"))


def busy(exchange: Exchange, around: Around) -> None:
    exchange.body()
    exchange.reply(answer(429, b"slower", retry_after="1"))


def expired(exchange: Exchange, around: Around) -> None:
    exchange.body()
    exchange.reply(around.expired(exchange.asked))


def nothing(exchange: Exchange, around: Around) -> None:
    exchange.reply(exchange.forward())


# Replies to who reads


def _damaged(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]


def _doubled(data: bytes, dice: random.Random) -> bytes:
    """Some bytes come twice, and so many are missing at the end."""
    at, count = dice.randrange(1, len(data) // 2), dice.randrange(1, 1000)
    return (data[:at] + data[max(0, at - count) : at] + data[at:])[: len(data)]


def flip(exchange: Exchange, around: Around) -> None:
    reply = exchange.forward()
    exchange.send(reply.head + _damaged(reply.body, around.dice))


def duplicate(exchange: Exchange, around: Around) -> None:
    reply = exchange.forward()
    exchange.send(reply.head + _doubled(reply.body, around.dice))


def too_much(exchange: Exchange, around: Around) -> None:
    """Bytes behind the end of the reply."""
    reply = exchange.forward()
    exchange.send(reply.raw + reply.body[-around.dice.randrange(1, 1000) :])


def whole(exchange: Exchange, around: Around) -> None:
    """The whole object where a range was asked for."""
    reply = exchange.forward().without("content-range").having("content-length", str(len(around.whole)))
    exchange.reply(replace(reply, status=200, reason="OK", body=around.whole))


def other_range(exchange: Exchange, around: Around) -> None:
    """Another range than the one asked for, or a Content-Range that says so, or one that says nothing."""
    reply = exchange.forward()
    start, count, size = _start(exchange.asked), len(reply.body), len(around.whole)
    other, shift = _other_start(exchange.asked, reply, around), around.dice.randrange(1, 5000)
    if around.dice.random() < 0.5:
        body = around.whole[other : other + count]
        exchange.reply(replace(reply, body=body).having("content-range", f"bytes {other}-{other + count - 1}/{size}"))
        return
    told = [
        f"bytes {other}-{other + count - 1}/{size}",
        f"bytes {start}-{start + count - 1}/{size + shift}",
        f"bytes {start}-{start + count - 1}/{start + count - 2}",
        f"bytes */{size}",
        f"bytes={start}-{start + count - 1}/{size}",
        f"items {start}-{start + count - 1}/{size}",
        "bytes ",
    ]
    exchange.reply(reply.having("content-range", around.dice.choice(told)))


def other_bytes(exchange: Exchange, around: Around) -> None:
    """Those of another range, which says that it is the one asked for."""
    reply = exchange.forward()
    other = _other_start(exchange.asked, reply, around)
    exchange.reply(replace(reply, body=around.whole[other : other + len(reply.body)]))


def _start(asked: Asked) -> int:
    return int((asked.header("range") or "").removeprefix("bytes=").partition("-")[0])


def _other_start(asked: Asked, reply: Reply, around: Around) -> int:
    """Where another range of this length begins."""
    start, last = _start(asked), len(around.whole) - len(reply.body)
    shift = around.dice.choice([-1, 1]) * around.dice.randrange(1, 1000)
    other = max(0, min(start + shift, last))
    return other if other != start else start + 1 if start < last else start - 1


_OTHER = {"etag": '"0x8DCAFE0000000"', "x-goog-generation": "1234567890", "x-repo-commit": "c" * 40}


def other_tag(exchange: Exchange, around: Around) -> None:
    """The object has been replaced, as the heads of this and all later replies say."""
    reply = exchange.forward()
    for name, value in _OTHER.items():
        if reply.header(name) is not None:
            reply = reply.having(name, value)
    exchange.reply(reply)


def replaced(exchange: Exchange, around: Around) -> None:
    """The object is replaced just before it is read on."""
    around.swap()
    exchange.reply(exchange.forward())


# Requests of who writes


def cut_off(exchange: Exchange, around: Around) -> None:
    """Both ends are reset in the middle of a body."""
    exchange.forward_cut(around.dice.randrange(exchange.asked.length))
    exchange.reset()


def refused_early(exchange: Exchange, around: Around) -> None:
    """503, before the body has been read."""
    exchange.some(around.dice.choice([0, around.dice.randrange(exchange.asked.length)]))
    exchange.reply(answer(503, b"not now", connection="close"))
    if around.dice.random() < 0.5:
        exchange.drain()
    exchange.reset()


def flip_sent(exchange: Exchange, around: Around) -> None:
    exchange.reply(exchange.forward(_damaged(exchange.body(), around.dice)))


def duplicate_sent(exchange: Exchange, around: Around) -> None:
    exchange.reply(exchange.forward(_doubled(exchange.body(), around.dice)))


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
