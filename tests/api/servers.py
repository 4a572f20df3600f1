"""A fake S3 that does on request what no real one does: stall, redirect to another region, record its requests.

It runs in a separate thread, so that tests without an event loop, and other processes, can use it too.
"""

import asyncio
import contextlib
import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from sealift import S3Config
from tests.services.closing import abort, close

HOST = "127.0.0.1"
SECRET = "the-secret-of-the-fake"  # signatures are not checked, but no error may show the secret
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/s3/aws4_request")
_GONE = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError)


def pattern(size: int) -> bytes:
    """Bytes in which any two nearby positions differ."""
    unit = bytes(range(251))
    return (unit * (size // len(unit) + 1))[:size]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as received."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def query(self) -> dict[str, str]:
        """Decoded query parameters; a parameter without a value is ""."""
        found = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    @property
    def host(self) -> str:
        """The target host; for a request to a proxy, that of the origin."""
        return urlsplit(self.target).netloc or self.headers["host"]

    @property
    def path(self) -> str:
        """The path, percent-encoded as sent."""
        return urlsplit(self.target).path

    @property
    def region(self) -> str | None:
        """The region in the signature's scope."""
        found = _SCOPE.search(self.headers.get("authorization", ""))
        return found[1] if found else None


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stall_at: int | None = None


class FakeS3:
    """A fake S3 with one bucket for each first path segment or host label.

    Args:
        objects: Bucket → key → bytes.
        stall: Key → offset from which no bytes are sent until `release`.
        region: Region of the buckets; requests signed for another region get status `moved`. None: any region.
        moved: 301, as S3 answers to a wrong endpoint, or 400, as it answers to a signature for a wrong region.
        tls: TLS context with the server's certificate.
        instead: May answer a request in place of the server; None from it: the usual reply.
        early: Like `instead`, but called before the body is read, which is then discarded.

    Attributes:
        asked: All requests in order.
        stalled: Set once a reply has stalled.
    """

    def __init__(
        self,
        objects: Mapping[str, Mapping[str, bytes]],
        *,
        stall: Mapping[str, int] | None = None,
        region: str | None = None,
        moved: int = 301,
        tls: ssl.SSLContext | None = None,
        instead: Callable[[Asked], Reply | None] = lambda asked: None,
        early: Callable[[Asked], Reply | None] = lambda asked: None,
    ) -> None:
        self.objects = dict(objects)
        self.asked: list[Asked] = []
        self.stalled = threading.Event()
        self._stall = stall or {}
        self._region = region
        self._moved = moved
        self._tls = tls
        self._instead = instead
        self._early = early
        self._loop = asyncio.new_event_loop()
        self._go = asyncio.Event()
        self._gone = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="fake-s3")
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._tasks)

    @property
    def config(self) -> S3Config:
        return S3Config("AKIAFAKE", SECRET, endpoint_url=self.endpoint)

    def release(self) -> None:
        """Resume all stalled replies."""
        self._loop.call_soon_threadsafe(self._go.set)

    def replace(self, bucket: str, key: str, data: bytes) -> None:
        """Replace an object."""
        self.objects[bucket] = {**self.objects[bucket], key: data}

    def drop(self) -> None:
        """Close the connections whose replies are stalled."""
        self._loop.call_soon_threadsafe(self._gone.set)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, HOST, 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        await close(server, self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, target, _ = first.split(" ")
                fields = (line.partition(":") for line in lines if line)
                asked = Asked(method, target, {name.lower(): value.strip() for name, _, value in fields})
                if (reply := self._early(asked)) is not None:
                    self.asked.append(asked)
                    await self._send(writer, reader, method, reply)
                    while await reader.read(1 << 16):  # closing now would reset the connection and lose the reply
                        pass
                    return
                body = await reader.readexactly(int(asked.headers.get("content-length", 0)))
                asked = replace(asked, body=body)
                self.asked.append(asked)
                await self._send(writer, reader, method, self._instead(asked) or self._answer(asked))
        except (*_GONE, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            abort(writer)

    async def _send(
        self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader, method: str, reply: Reply
    ) -> None:
        headers = {"Content-Length": str(len(reply.body)), "Date": formatdate(usegmt=True), **reply.headers}
        head = [f"HTTP/1.1 {reply.status} Status", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(head).encode("latin-1"))
        if method != "HEAD":
            now = reply.body if reply.stall_at is None else reply.body[: reply.stall_at]
            writer.write(now)
            if len(now) < len(reply.body):
                await writer.drain()
                self.stalled.set()
                ends = [asyncio.ensure_future(end) for end in (reader.read(1), self._go.wait(), self._gone.wait())]
                try:
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for end in ends:
                        end.cancel()
                    await asyncio.gather(*ends, return_exceptions=True)
                if not self._go.is_set():
                    raise ConnectionResetError
                writer.write(reply.body[len(now) :])
        await writer.drain()

    def _answer(self, asked: Asked) -> Reply:
        if self._region is not None and asked.region not in {None, self._region}:
            return elsewhere(self._region, self._moved)
        host = asked.host.partition(":")[0]
        path = asked.path.removeprefix("/")
        if host in {HOST, "localhost"}:
            bucket, _, encoded = path.partition("/")
        else:
            bucket, encoded = host.partition(".")[0], path
        found = self.objects.get(bucket)
        if found is None:
            return failure(404, "NoSuchBucket")
        key = unquote(encoded)
        if asked.method not in {"GET", "HEAD"}:
            return self._write(bucket, key, asked)
        if not encoded:
            return _listing(found, asked.query)
        data = found.get(key)
        return failure(404, "NoSuchKey") if data is None else self._object(key, data, asked)

    def _write(self, bucket: str, key: str, asked: Asked) -> Reply:
        return failure(405, "MethodNotAllowed")

    def tag(self, data: bytes) -> str:
        """The ETag of an object, or of a part."""
        return f'"{hashlib.md5(data).hexdigest()}"'

    def _object(self, key: str, data: bytes, asked: Asked) -> Reply:
        tag = self.tag(data)
        headers = {"ETag": tag, "Last-Modified": "Tue, 01 Sep 2020 10:20:30 GMT", "Accept-Ranges": "bytes"}
        if "versionId" in asked.query:
            headers["x-amz-version-id"] = asked.query["versionId"]
        if asked.headers.get("if-match", tag) != tag:
            return failure(412, "PreconditionFailed")
        start, end, status = 0, len(data), 200
        if asked.headers.get("range"):
            first, last = asked.headers["range"].removeprefix("bytes=").split("-")
            if not first and not data:
                return failure(416, "InvalidRange")
            start, end, status = int(first or max(len(data) - int(last), 0)), min(int(last) + 1, len(data)), 206
            if not first:  # the last bytes
                end = len(data)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        stall_at = None if key not in self._stall else max(self._stall[key] - start, 0)
        return Reply(status, data[start:end], headers, stall_at=stall_at)


def failure(status: int, code: str, more: str = "") -> Reply:
    """An error reply in S3's format; the reply to a HEAD has the status only."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>so it is</Message>{more}</Error>"
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})


def elsewhere(region: str, status: int) -> Reply:
    """The reply to a request signed for, or sent to, a region other than that of the bucket."""
    code = "PermanentRedirect" if status == 301 else "AuthorizationHeaderMalformed"
    reply = failure(status, code, f"<Region>{region}</Region>" if status == 400 else "")
    reply.headers["x-amz-bucket-region"] = region
    return reply


def _listing(found: Mapping[str, bytes], query: Mapping[str, str]) -> Reply:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
    prefixes: dict[str, None] = {}
    if delimiter is not None:
        below = [key for key in sorted(found) if key.startswith(prefix) and delimiter in key[len(prefix) :]]
        prefixes = dict.fromkeys(prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter for key in below)
        found = {key: data for key, data in found.items() if key not in set(below)}
    contents = "".join(
        f"<Contents><Key>{escape(quote(key, safe='/'))}</Key><LastModified>2020-09-01T10:20:30.000Z</LastModified>"
        f"<ETag>&quot;{hashlib.md5(data).hexdigest()}&quot;</ETag><Size>{len(data)}</Size></Contents>"
        for key, data in sorted(found.items())
        if key.startswith(prefix)
    )
    contents += "".join(
        f"<CommonPrefixes><Prefix>{escape(quote(each, safe='/'))}</Prefix></CommonPrefixes>" for each in prefixes
    )
    body = (
        "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
        f"<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    )
    return Reply(200, body.encode(), {"Content-Type": "application/xml"})
