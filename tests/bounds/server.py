"""An S3 service whose objects are made up while they are sent: `python server.py` prints its port, then serves.

In the bucket b are `huge`, which 32 bits do not count, `eight/0` to `eight/7`, and `small/00000` to `small/19999`. A
thread a connection; `/counted` tells how many there were at once, and forgets it.
"""

import base64
import json
import random
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from sealift import checksum

HOST = "127.0.0.1"
HUGE = (4 << 30) + 1
LARGE = 128 << 20
SMALL, SMALL_SIZE = 20_000, 10 << 10
# What all objects repeat. Its length is no power of two, so that a part in another's place has other bytes.
UNIT = memoryview(random.Random(0).randbytes((1 << 20) + 7))
_PAGE = 1000


def main() -> None:
    sizes = {"huge": HUGE} | {f"eight/{number}": LARGE for number in range(8)}
    sizes |= {f"small/{number:05}": SMALL_SIZE for number in range(SMALL)}
    Service(sizes).run()


class Service:
    def __init__(self, sizes: dict[str, int]) -> None:
        self._sizes = dict(sorted(sizes.items()))
        self._checksums = {length: _checksum(length) for length in {*sizes.values()}}
        self._lock = threading.Lock()
        self._open = self._most = 0

    def run(self) -> None:
        with socket.create_server((HOST, 0), backlog=1024) as listening:
            print(listening.getsockname()[1], flush=True)
            while True:
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open += 1
            self._most = max(self._most, self._open)
        try:
            with connection:
                received = b""
                while True:
                    while b"\r\n\r\n" not in received:
                        more = connection.recv(1 << 16)
                        if not more:
                            return
                        received += more
                    head, _, received = received.partition(b"\r\n\r\n")
                    self._answer(connection, head.decode("latin-1"))
        except ConnectionError:
            pass
        finally:
            with self._lock:
                self._open -= 1

    def _answer(self, connection: socket.socket, head: str) -> None:
        method, target, _ = head.partition("\r\n")[0].split(" ")
        url = urlsplit(target)
        if url.path == "/counted":
            with self._lock:
                told, self._most = {"connections": self._most - 1}, self._open - 1  # without the one that asks
            return _send(connection, 200, json.dumps(told).encode())
        key = url.path.removeprefix("/b").removeprefix("/")
        if not key:
            return _send(connection, 200, self._page({name: each[0] for name, each in parse_qs(url.query).items()}))
        size = self._sizes.get(key)
        if size is None:
            return _send(connection, 404, b"<Error><Code>NoSuchKey</Code></Error>")
        headers = [f'ETag: "{size}"', "Accept-Ranges: bytes"]
        start, end, status = 0, size, 200
        found = re.search(r"^range: bytes=(\d+)-(\d+)", head, re.MULTILINE | re.IGNORECASE)
        if found:
            start, end, status = int(found[1]), int(found[2]) + 1, 206
            headers.append(f"Content-Range: bytes {start}-{end - 1}/{size}")
        else:
            told = base64.b64encode(bytes.fromhex(self._checksums[size])).decode()
            headers += [f"x-amz-checksum-crc64nvme: {told}", "x-amz-checksum-type: FULL_OBJECT"]
        lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {end - start}", *headers, "", ""]
        answer = "\r\n".join(lines).encode()
        if method == "HEAD":
            return connection.sendall(answer)
        if end - start <= SMALL_SIZE:
            return connection.sendall(answer + b"".join(_content(start, end)))
        connection.sendall(answer)
        for piece in _content(start, end):
            connection.sendall(piece)
        return None

    def _page(self, query: dict[str, str]) -> bytes:
        start = int(query.get("continuation-token", "0"))
        names = [name for name in self._sizes if name.startswith(query.get("prefix", ""))]
        shown = names[start : start + _PAGE]
        more = start + _PAGE < len(names)
        entries = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2020-09-01T10:20:30.000Z</LastModified>"
            f"<ETag>&quot;{self._sizes[name]}&quot;</ETag><Size>{self._sizes[name]}</Size></Contents>"
            for name in shown
        )
        token = f"<NextContinuationToken>{start + _PAGE}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}"
        return f"<ListBucketResult>{truncated}{entries}</ListBucketResult>".encode()


def _send(connection: socket.socket, status: int, body: bytes) -> None:
    connection.sendall(f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def _content(start: int, end: int) -> Iterator[memoryview]:
    while start < end:
        offset = start % len(UNIT)
        piece = UNIT[offset : offset + end - start]
        yield piece
        start += len(piece)


def _checksum(size: int) -> str:
    whole, rest = divmod(size, len(UNIT))
    parts = [(checksum.digest("crc64nvme", UNIT), len(UNIT))] * whole
    return checksum.combine("crc64nvme", [*parts, (checksum.digest("crc64nvme", UNIT[:rest]), rest)])


if __name__ == "__main__":
    main()
