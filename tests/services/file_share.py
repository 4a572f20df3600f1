"""A fake of Azure Files in this process: the part that lists and reads, and what a client needs to fill a share.

There is no emulator. https://learn.microsoft.com/rest/api/storageservices/file-service-rest-api describes the protocol;
the real client, azure-storage-file-share, fills a share, lists and reads it in `tests/api/test_azure_files.py`.

- Requests need a SAS of the account, whose signature and permissions are verified.
- Listings are per directory, in pages, and select by the beginning of a name without regard to case.
- There are no conditions for reads: `If-Match` is ignored.
"""

import base64
import hashlib
import hmac
import itertools
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from sealift import AzureConfig

HOST, ACCOUNT = "127.0.0.1", "models"
KEY = base64.b64encode(hashlib.sha256(b"the key of the fake").digest()).decode()
PAGE = 1000


@dataclass(slots=True)
class StoredFile:
    data: bytearray
    tag: str
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as received; `key` is None for a share."""

    method: str
    share: str
    key: str | None
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class StoredShare:
    """Files by path, and the directories that were made."""

    files: dict[str, StoredFile] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)

    def all_directories(self) -> set[str]:
        paths = {*self.files, *(f"{path}/" for path in self.directories)}
        return {path[: found.start()] for path in paths for found in re.finditer("/", path)}


class FakeFileShares:
    """The file endpoint of one account.

    Attributes:
        shares: By name.
        asked: All requests, in order.
        instead: Called with each request; returns another reply, or None.
    """

    def __init__(self) -> None:
        self.shares: dict[str, StoredShare] = {}
        self.asked: list[Asked] = []
        self.instead: Callable[[Asked], Reply | None] = lambda asked: None
        self._tags = itertools.count(1)
        self._lock = threading.Lock()
        self._server = self._listen()

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._server.server_port}/{ACCOUNT}"

    def config(self, **options: Any) -> AzureConfig:
        """The configuration with the account key, or with other credentials."""
        return AzureConfig(ACCOUNT, endpoint_url=self.endpoint, **(options or {"account_key": KEY}))

    def uri(self, path: str) -> str:
        return f"https://{ACCOUNT}.file.core.windows.net/{path}"

    def put(self, share: str, files: Mapping[str, bytes]) -> None:
        stored = self.shares.setdefault(share, StoredShare())
        for path, data in files.items():
            md5 = base64.b64encode(hashlib.md5(data).digest()).decode()
            stored.files[path] = StoredFile(bytearray(data), self._tag(), md5)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _tag(self) -> str:
        return f'"0x8D{next(self._tags):013X}"'

    def _listen(self) -> ThreadingHTTPServer:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                url = urlsplit(self.path)
                account, _, path = unquote(url.path)[1:].partition("/")
                share, slash, key = path.partition("/")
                query = dict(parse_qsl(url.query, keep_blank_values=True))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, share, key if slash and key else None, query, headers)
                with fake._lock:
                    fake.asked.append(asked)
                    reply = fake.instead(asked) or fake._refuse(account, asked) or fake._answer(asked, body)
                self.send_response(reply.status)
                for name, value in {"x-ms-request-id": "request-of-the-fake", **reply.headers}.items():
                    self.send_header(name, value)
                if "Content-Length" not in reply.headers:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            do_GET = do_HEAD = do_PUT = answer

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer((HOST, 0), Handler)
        server.daemon_threads = True
        return server

    def _refuse(self, account: str, asked: Asked) -> Reply | None:
        """https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string"""
        query = asked.query
        if "sig" not in query:
            return _error(401, "NoAuthenticationInformation")
        names = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
        text = "".join(f"{value}\n" for value in (account, *(query.get(name, "") for name in names)))
        signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")).decode()
        if account != ACCOUNT or query["sig"] != signature or "f" not in query.get("ss", ""):
            return _error(403, "AuthenticationFailed")
        listing = query.get("comp") == "list"
        needed = "l" if listing else "r" if asked.method in {"GET", "HEAD"} else "w"
        kind = "c" if listing or asked.key is None else "o"
        if needed not in query.get("sp", "") or kind not in query.get("srt", ""):
            return _error(403, "AuthorizationPermissionMismatch")
        return None

    def _answer(self, asked: Asked, body: bytes) -> Reply:
        if asked.method == "PUT":
            return self._put(asked, body)
        share = self.shares.get(asked.share)
        if share is None:
            return _error(404, "ShareNotFound")
        if asked.query.get("comp") == "list":
            return self._list(share, asked)
        file = share.files.get(asked.key or "")
        if file is None:
            return _missing(share, asked.key or "")
        return _read(file, asked)

    def _list(self, share: StoredShare, asked: Asked) -> Reply:
        path = asked.key or ""
        if path and path not in share.all_directories():
            return _missing(share, path)
        below = f"{path}/" if path else ""
        names: dict[str, StoredFile | None] = {}
        for each in share.all_directories():
            if each.startswith(below) and "/" not in each[len(below) :] and each != path:
                names[each[len(below) :]] = None
        for each, file in share.files.items():
            if each.startswith(below) and "/" not in each[len(below) :]:
                names[each[len(below) :]] = file
        prefix, marker = asked.query.get("prefix", "").lower(), asked.query.get("marker", "")
        chosen = sorted(name for name in names if name.lower().startswith(prefix) and name >= marker)
        size = min(PAGE, int(asked.query.get("maxresults", PAGE)))
        with_tags = "etag" in asked.query.get("include", "").lower()
        entries = "".join(_entry(name, names[name], with_tags=with_tags) for name in chosen[:size])
        following = escape(chosen[size]) if len(chosen) > size else ""
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="{self.endpoint}/" '
            f'ShareName="{asked.share}" DirectoryPath=""><Entries>{entries}</Entries>'
            f"<NextMarker>{following}</NextMarker></EnumerationResults>"
        )
        return Reply(200, text.encode(), {"Content-Type": "application/xml"})

    def _put(self, asked: Asked, body: bytes) -> Reply:
        created = {
            "ETag": self._tag(),
            "Last-Modified": formatdate(usegmt=True),
            "x-ms-request-server-encrypted": "true",
        }
        if asked.query.get("restype") == "share":
            self.shares[asked.share] = StoredShare()
            return Reply(201, headers=created)
        share, key = self.shares[asked.share], asked.key or ""
        if asked.query.get("restype") == "directory":
            share.directories.add(key)
        elif asked.query.get("comp") == "range":
            matched = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers["x-ms-range"])
            assert matched is not None
            share.files[key].data[int(matched[1]) : int(matched[2]) + 1] = body
            share.files[key].tag = created["ETag"]
        else:
            if "/" in key and key.rpartition("/")[0] not in share.all_directories():
                return _error(404, "ParentNotFound")
            data = bytearray(int(asked.headers["x-ms-content-length"]))
            share.files[key] = StoredFile(data, created["ETag"], asked.headers.get("x-ms-content-md5"))
        return Reply(201, headers=created)


def _entry(name: str, file: StoredFile | None, *, with_tags: bool) -> str:
    if file is None:
        return f"<Directory><Name>{escape(name)}</Name><Properties /></Directory>"
    tags = f"<Last-Modified>{formatdate(1_700_000_000, usegmt=True)}</Last-Modified><Etag>{escape(file.tag)}</Etag>"
    length = f"<Content-Length>{len(file.data)}</Content-Length>"
    return f"<File><Name>{escape(name)}</Name><Properties>{length}{tags if with_tags else ''}</Properties></File>"


def _read(file: StoredFile, asked: Asked) -> Reply:
    data = bytes(file.data)
    headers = {
        "ETag": file.tag,
        "Last-Modified": formatdate(1_700_000_000, usegmt=True),
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "x-ms-type": "File",
    }
    matched = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("x-ms-range") or asked.headers.get("range", ""))
    if matched is None:
        digest = {"Content-MD5": file.md5} if file.md5 else {}
        return Reply(200, data, {**headers, **digest, "Content-Length": str(len(data))})
    first, last = int(matched[1]), int(matched[2] or len(data) - 1)
    part = data[first : last + 1]
    if not part:
        return _error(416, "InvalidRange")
    return Reply(206, part, headers | {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"})


def _missing(share: StoredShare, path: str) -> Reply:
    if path in share.all_directories() or path in share.files:
        return _error(409, "ResourceTypeMismatch")
    above = path.rpartition("/")[0]
    return _error(404, "ParentNotFound" if above and above not in share.all_directories() else "ResourceNotFound")


def _error(status: int, code: str) -> Reply:
    text = f"<Error><Code>{code}</Code><Message>{code} of the fake.</Message></Error>"
    body = f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()
    return Reply(status, body, {"Content-Type": "application/xml", "x-ms-error-code": code})
