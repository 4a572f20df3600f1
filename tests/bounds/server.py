"""An S3 service that generates its objects while it sends them: `python server.py` prints its port, then serves.

The bucket b contains `huge`, which is larger than 32 bits can count, `eight/0` to `eight/7`, `request/0` to
`request/7`, `small/00000` to `small/19999`, and 200,000 objects in each of `many/` and `copy/`, whose ETags are hashes
of their names. Of multipart uploads, only sizes and checksums are kept. There is one thread per connection. `/counted`
returns the peak number of connections and the uploads, and resets both.
"""

import base64
import hashlib
import json
import random
import re
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlsplit

from sealift.integrity import checksums

HOST = "127.0.0.1"
HUGE = (4 << 30) + 1
LARGE = 128 << 20
LARGER = 2 * LARGE
SMALL, SMALL_SIZE = 20_000, 10 << 10
MANY = 200_000
# The content that all objects repeat. Its length is not a power of two, so that a misplaced part has different bytes.
UNIT = memoryview(random.Random(0).randbytes((1 << 20) + 7))
_PAGE = 1000
_CHECKSUM = "x-amz-checksum-crc64nvme"


def main() -> None:
    sizes = {"huge": HUGE} | {f"eight/{number}": LARGE for number in range(8)}
    sizes |= {f"request/{number}": LARGER for number in range(8)}
    sizes |= {f"{prefix}/{number:06}": SMALL_SIZE for prefix in ("many", "copy") for number in range(MANY)}
    sizes |= {f"small/{number:05}": SMALL_SIZE for number in range(SMALL)}
    Service(sizes).run()


class Service:
    def __init__(self, sizes: dict[str, int]) -> None:
        self._sizes = dict(sorted(sizes.items()))
        self._checksums = {length: _checksum(length) for length in {*sizes.values()}}
        self._names: dict[str, list[str]] = {}  # by prefix
        self._lock = threading.Lock()
        self._open = self._most = 0
        self._parts: dict[int, tuple[str, int]] = {}
        self._uploaded: dict[str, tuple[str, int]] = {}

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
            with connection, connection.makefile("rb", 1 << 16) as received:
                room = bytearray()
                while lines := list(iter(received.readline, b"\r\n")) if received.peek(1) else []:
                    head = b"".join(lines).decode("latin-1")
                    length = int(_header(head, "content-length") or 0)
                    if length > len(room):
                        room = bytearray(length)
                    body = memoryview(room)[:length]
                    if received.readinto(body) != length:
                        return
                    self._answer(connection, head, body)
        except ConnectionError:
            pass
        finally:
            with self._lock:
                self._open -= 1

    def _answer(self, connection: socket.socket, head: str, body: memoryview) -> None:
        method, target, _ = head.partition("\r\n")[0].split(" ")
        url = urlsplit(target)
        if url.path == "/counted":
            with self._lock:
                # Without the connection of this request.
                counted = {"connections": self._most - 1, "uploaded": self._uploaded}
                self._most, self._uploaded = self._open - 1, {}
            return _send(connection, 200, json.dumps(counted).encode())
        key = url.path.removeprefix("/b").removeprefix("/")
        if not key:
            return _send(connection, 200, self._page({name: each[0] for name, each in parse_qs(url.query).items()}))
        if method in {"POST", "PUT"}:
            status, answer = self._take(key, head, dict(parse_qsl(url.query, keep_blank_values=True)), body)
            return _send(connection, status, answer, 'ETag: "p"')
        size = self._sizes.get(key)
        if size is None:
            return _send(connection, 404, b"<Error><Code>NoSuchKey</Code></Error>")
        headers = [f'ETag: "{size}"', "Accept-Ranges: bytes"]
        start, end, status = 0, size, 200
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", _header(head, "range") or "")
        if found:
            start, end, status = int(found[1]), int(found[2]) + 1, 206
            headers.append(f"Content-Range: bytes {start}-{end - 1}/{size}")
        else:
            headers += [f"{_CHECKSUM}: {_base64(self._checksums[size])}", "x-amz-checksum-type: FULL_OBJECT"]
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

    def _take(self, key: str, head: str, query: dict[str, str], body: memoryview) -> tuple[int, bytes]:
        """Store the size and checksum of one upload at a time; wrong checksums are rejected."""
        if "uploads" in query:
            self._parts = {}
            return 200, b"<R><UploadId>one</UploadId></R>"
        if "uploadId" in query and "partNumber" not in query:
            parts = [part for _, part in sorted(self._parts.items())]
            digest, size = checksums.combine("crc64nvme", parts), sum(size for _, size in parts)
            self._uploaded[key] = (digest, size)
        else:
            digest, size = checksums.digest("crc64nvme", body), len(body)
            self._parts[int(query.get("partNumber", 0))] = (digest, size)
        if _header(head, _CHECKSUM) != _base64(digest):
            return 400, b"<Error><Code>BadDigest</Code></Error>"
        return 200, b'<R><ETag>"whole"</ETag></R>'

    def _page(self, query: dict[str, str]) -> bytes:
        start = int(query.get("continuation-token", "0"))
        prefix = query.get("prefix", "")
        if prefix not in self._names:
            self._names[prefix] = [name for name in self._sizes if name.startswith(prefix)]
        names = self._names[prefix]
        shown = names[start : start + _PAGE]
        more = start + _PAGE < len(names)
        entries = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2020-09-01T10:20:30.000Z</LastModified>"
            f"<ETag>&quot;{_etag(name, self._sizes[name])}&quot;</ETag><Size>{self._sizes[name]}</Size></Contents>"
            for name in shown
        )
        token = f"<NextContinuationToken>{start + _PAGE}</NextContinuationToken>" if more else ""
        truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}"
        return f"<ListBucketResult>{truncated}{entries}</ListBucketResult>".encode()


def _etag(name: str, size: int) -> str:
    prefix, _, name = name.partition("/")
    return hashlib.md5(name.encode()).hexdigest() if prefix in {"many", "copy"} else str(size)


def _send(connection: socket.socket, status: int, body: bytes, *headers: str) -> None:
    lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {len(body)}", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)


def _header(head: str, name: str) -> str | None:
    found = re.search(rf"^{name}: *(.*?)\r$", head, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else None


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _content(start: int, end: int) -> Iterator[memoryview]:
    while start < end:
        offset = start % len(UNIT)
        piece = UNIT[offset : offset + end - start]
        yield piece
        start += len(piece)


def _checksum(size: int) -> str:
    whole, rest = divmod(size, len(UNIT))
    parts = [(checksums.digest("crc64nvme", UNIT), len(UNIT))] * whole
    return checksums.combine("crc64nvme", [*parts, (checksums.digest("crc64nvme", UNIT[:rest]), rest)])


if __name__ == "__main__":
    main()
