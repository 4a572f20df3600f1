"""A fake of the Hugging Face Hub and of the storage behind it, in this process.

There is no hub that works offline. This one implements what a client needs for reading: the API (info, refs, paged
tree) and `resolve`, with a 302 to a second origin for files in Git LFS. `tests/api/test_hf.py` verifies it with the
real `huggingface_hub` client, which lists and downloads from it. Its details follow
https://huggingface.co/docs/hub/api, https://huggingface.co/docs/hub/rate-limits and the source of that client:

- A missing repository is a 401 without a token, and a 404 with one. A gated repository is listed for everyone.
- Small files are a 307 to a relative URL at the commit, which returns them; a 200 at once if the repository has no
  owner, or is not public.
- Signed URLs expire, are valid for GET only, and reject a request that contains other credentials too, as S3 does.
"""

import base64
import contextlib
import gzip
import hashlib
import hmac
import itertools
import json
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from sealift import HFConfig

HOST = "127.0.0.1"
# Valid tokens; the second one has access to gated repositories.
READER = "hf_ReaderOfTheFake"
GRANTED = "hf_GrantedByTheFake"
LARGE = (".bin", ".onnx", ".pt", ".safetensors")  # the default of a repository's .gitattributes
FIRST_COMMIT = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as received; `origin` is "hub" or "storage"."""

    origin: str
    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def resolves(self) -> bool:
        """Whether it counts towards the rate limit of resolves."""
        return "/resolve/" in self.path


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    date: datetime
    files: Mapping[str, bytes]


@dataclass(slots=True)
class Repo:
    """A repository; each change is a commit to one of its revisions.

    Attributes:
        access: "public", "gated" (only `GRANTED` may read its files), or "private" (only the tokens may see it).
        refs: Branch, tag or special reference → hash of its commit.
        tags: The names in `refs` that are tags.
    """

    name: str
    access: Literal["public", "gated", "private"] = "public"
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)

    def commit(self, files: Mapping[str, bytes], revision: str = "main") -> str:
        """Replace the content of a revision by these files; returns the hash of the commit."""
        number = len(self.commits)
        sha = hashlib.sha1(f"{self.name} {number}".encode()).hexdigest()
        self.commits[sha] = Commit(sha, FIRST_COMMIT + timedelta(days=number), dict(files))
        self.refs[revision] = sha
        return sha

    def put(self, files: Mapping[str, bytes], revision: str = "main") -> str:
        """Add or replace files."""
        return self.commit({**self.files(revision), **files}, revision)

    def delete(self, key: str, revision: str = "main") -> str:
        return self.commit({name: data for name, data in self.files(revision).items() if name != key}, revision)

    def listed_refs(self) -> dict[str, list[dict[str, str]]]:
        """The refs as the API lists them, without pull requests, which it lists only on request."""
        listed: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": []}
        for name, sha in self.refs.items():
            if name.startswith("refs/convert/"):
                kind, short, ref = "converts", name.removeprefix("refs/convert/"), name
            elif name in self.tags:
                kind, short, ref = "tags", name, f"refs/tags/{name}"
            else:
                kind, short, ref = "branches", name, f"refs/heads/{name}"
            if not name.startswith("refs/pr/"):
                listed[kind].append({"name": short, "ref": ref, "targetCommit": sha})
        return listed

    def files(self, revision: str = "main") -> Mapping[str, bytes]:
        return self.commits[self.refs[revision]].files if revision in self.refs else {}


def is_large(key: str) -> bool:
    """Whether a file is in Git LFS."""
    return key.endswith(LARGE)


def git_hash(data: bytes) -> str:
    """The Git object ID of a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class FakeHub:
    """The hub, and its storage on another port.

    Args:
        page: Number of entries per page of a listing.
        small: How small files are sent: "identity", "gzip", "deflate", "chunked", "chunked gzip" or "no ranges".
        below: Base path of all URLs, as of a mirror; links to the next page then point to the real hub.
        instead: Called first; may return its own reply, or None for the usual one.

    Attributes:
        repos: API kind and name → repository.
        asked: All requests, in order.
    """

    def __init__(
        self,
        *,
        page: int = 1000,
        small: str = "identity",
        below: str = "",
        instead: Callable[[Asked], Reply | None] = lambda asked: None,
    ) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.asked: list[Asked] = []
        self.instead = instead
        self.small = small
        self.aliases: dict[str, str] = {}
        self._page = page
        self._below = below
        self._secret = 0
        self._blobs: dict[str, bytes] = {}
        self._servers = [self._server("hub", self._hub), self._server("storage", self._storage)]
        self._threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in self._servers]

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._servers[0].server_address[1]}{self._below}"

    @property
    def storage(self) -> str:
        return f"http://{HOST}:{self._servers[1].server_address[1]}"

    @property
    def config(self) -> HFConfig:
        return HFConfig(endpoint=self.endpoint, anonymous=True)

    def signed_in(self, token: str = GRANTED) -> HFConfig:
        return HFConfig(token, self.endpoint)

    def repo(
        self,
        name: str,
        files: Mapping[str, bytes] | None = None,
        *,
        kind: str = "models",
        access: Literal["public", "gated", "private"] = "public",
    ) -> Repo:
        """Create a repository with these files in its revision "main"."""
        made = self.repos[kind, name] = Repo(name, access)
        made.commit(files or {})
        return made

    def expire(self) -> None:
        """Make all signed URLs issued so far invalid."""
        self._secret += 1

    def requests(self, origin: str, method: str | None = None) -> list[Asked]:
        return [asked for asked in self.asked if asked.origin == origin and method in {None, asked.method}]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def _server(self, origin: str, answer: Callable[[Asked], Reply]) -> ThreadingHTTPServer:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                asked = Asked(origin, self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
                fake.asked.append(asked)
                self._send(fake.instead(asked) or answer(asked))

            do_HEAD = do_POST = do_GET

            def _send(self, reply: Reply) -> None:
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    if reply.chunked:
                        self.send_header("Transfer-Encoding", "chunked")
                    elif "Content-Length" not in reply.headers:
                        self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(_chunks(reply.body) if reply.chunked else reply.body)
                    self.wfile.flush()
                except ConnectionError:  # the client has closed the connection early
                    self.close_connection = True

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def finish(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().finish()

            def log_message(self, *args: Any) -> None:
                """Log nothing."""

        return ThreadingHTTPServer((HOST, 0), Handler)

    def _hub(self, asked: Asked) -> Reply:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in {READER, GRANTED}:
            return _failure(401, None, "Invalid credentials in Authorization header")
        if not asked.path.startswith(f"{self._below}/"):
            return _failure(404, None, "Not found")
        segments = asked.path.removeprefix(f"{self._below}/").split("/")
        if segments[0] == "api":
            cached = segments[1] == "resolve-cache"
            kind, *rest = segments[2 if cached else 1 :]
            found = self._find(kind, rest)
            if isinstance(found, str):
                moved = "/".join([self._below, *segments[: 3 if cached else 2], found, *rest[1:]])
                return Reply(307, headers={"Location": f"{moved}?{urlsplit(asked.target).query}"})
            repo, rest = found
            if repo is None or (repo.access == "private" and not token):
                return _no_repository(token)
            if cached:
                return self._cached(asked, repo, rest[0], unquote("/".join(rest[1:])))
            return self._api(asked, repo, rest)
        kind = segments.pop(0) if segments[0] in {"datasets", "spaces"} else "models"
        found = self._find(kind, segments)
        if isinstance(found, str):
            return Reply(307, headers={"Location": f"{self._below}/{found}/" + "/".join(segments[1:])})
        repo, rest = found
        if repo is None or (repo.access == "private" and not token):
            return _no_repository(token)
        if repo.access == "gated" and token != GRANTED:
            return _failure(403 if token else 401, "GatedRepo", f"Access to model {repo.name} is restricted.")
        return self._resolve(asked, repo, kind, unquote(rest[1]), unquote("/".join(rest[2:])))

    def _find(self, kind: str, segments: list[str]) -> tuple[Repo | None, list[str]] | str:
        """The repository at the start of a path, and the rest of the path; a str: the new name of a renamed one."""
        if not segments:  # a part of the API that this hub does not have
            return None, []
        if segments[0] in self.aliases:
            return self.aliases[segments[0]]
        count = 1 if len(segments) == 1 or segments[1] in {"resolve", "revision", "tree", "refs"} else 2
        return self.repos.get((kind, "/".join(segments[:count]))), segments[count:]

    def _api(self, asked: Asked, repo: Repo, rest: list[str]) -> Reply:
        query = parse_qs(urlsplit(asked.target).query)
        verb = rest[0] if rest else "revision"
        revision = unquote(rest[1]) if len(rest) > 1 else "main"
        commit = repo.commits.get(repo.refs.get(revision, revision))
        if commit is None:
            return _failure(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if verb == "refs":
            return _json(repo.listed_refs())
        if verb == "tree":
            return self._tree(asked, commit, unquote("/".join(rest[2:])), query)
        if verb != "revision":
            return _failure(404, None, "Sorry, we can't find the page you are looking for.")
        told: dict[str, Any] = {
            "id": repo.name,
            "sha": commit.sha,
            "lastModified": f"{commit.date:%Y-%m-%dT%H:%M:%S}.000Z",
            "private": repo.access == "private",
            "gated": "manual" if repo.access == "gated" else False,
            "siblings": [{"rfilename": name} for name in commit.files],
        }
        wanted = {"id", *query["expand"]} if "expand" in query else set(told)
        return _json({name: value for name, value in told.items() if name in wanted})

    def _tree(self, asked: Asked, commit: Commit, directory: str, query: dict[str, list[str]]) -> Reply:
        below = f"{directory}/" if directory else ""
        recursive = query.get("recursive", ["false"])[0].lower() in {"true", "1"}
        entries: dict[str, dict[str, Any]] = {}
        for name, data in sorted(commit.files.items()):
            if not name.startswith(below):
                continue
            path = name.removeprefix(below).split("/")
            for folder in list(itertools.accumulate(path[:-1], "{}/{}".format))[: None if recursive else 1]:
                oid = hashlib.sha1(folder.encode()).hexdigest()
                entries[below + folder] = {"type": "directory", "oid": oid, "size": 0, "path": below + folder}
            if recursive or len(path) == 1:
                entries[name] = _entry(name, data)
        if directory and not entries:
            return _failure(404, "EntryNotFound", f"{directory} does not exist on {commit.sha}")
        start = int(base64.urlsafe_b64decode(query["cursor"][0])) if "cursor" in query else 0
        reply = _json(list(entries.values())[start : start + self._page])
        if start + self._page < len(entries):
            cursor = quote(base64.urlsafe_b64encode(str(start + self._page).encode()))
            flags = "&".join(f"{name}={query[name][0]}" for name in ("recursive", "expand") if name in query)
            there = (
                f"https://huggingface.co{asked.path.removeprefix(self._below)}"
                if self._below
                else self.endpoint + asked.path
            )
            reply.headers["Link"] = f'<{there}?{flags}&cursor={cursor}>; rel="next"'
        return reply

    def _resolve(self, asked: Asked, repo: Repo, kind: str, revision: str, key: str) -> Reply:
        commit = repo.commits.get(repo.refs.get(revision, revision))
        if commit is None:
            return _failure(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        data = commit.files.get(key)
        if data is None:
            reply = _failure(404, "EntryNotFound", "Entry not found")
            reply.headers["X-Repo-Commit"] = commit.sha
            return reply
        if not is_large(key):
            if "/" not in repo.name or repo.access != "public" or not data:
                return self._small(asked, commit, data)
            etag = git_hash(data)
            target = f"{self._below}/api/resolve-cache/{kind}/{repo.name}/{commit.sha}/{quote(key)}"
            headers = {"X-Repo-Commit": commit.sha, "X-Linked-Size": str(len(data)), "ETag": f'"{etag}"'}
            return Reply(
                307, b"Temporary Redirect", {**headers, "Location": f"{target}?{quote(asked.path)}=&etag={etag}"}
            )
        digest = hashlib.sha256(data).hexdigest()
        self._blobs[digest] = data
        location = f"{self.storage}/repos/{digest}?Expires=60&Signature={self._signature(digest)}"
        headers = {
            "Location": location,
            "X-Repo-Commit": commit.sha,
            "X-Linked-Size": str(len(data)),
            "X-Linked-Etag": f'"{digest}"',
            "Accept-Ranges": "bytes",
        }
        return Reply(302, f"Found. Redirecting to {location}".encode(), headers)

    def _cached(self, asked: Asked, repo: Repo, sha: str, key: str) -> Reply:
        commit = repo.commits[sha]
        return self._small(asked, commit, commit.files[key])

    def _small(self, asked: Asked, commit: Commit, data: bytes) -> Reply:
        headers = {"ETag": f'"{git_hash(data)}"', "X-Repo-Commit": commit.sha, "Content-Type": "text/plain"}
        chunked = self.small.startswith("chunked")
        if self.small == "deflate":
            return Reply(200, zlib.compress(data), {**headers, "Content-Encoding": "deflate"})
        if self.small.endswith("gzip"):
            return Reply(200, gzip.compress(data), {**headers, "Content-Encoding": "gzip"}, chunked=chunked)
        if chunked or self.small == "no ranges":
            return Reply(200, data, headers, chunked=chunked)
        return _ranged(asked, data, headers)

    def _storage(self, asked: Asked) -> Reply:
        digest = asked.path.rpartition("/")[2]
        given = parse_qs(urlsplit(asked.target).query).get("Signature", [""])[0]
        if "authorization" in asked.headers:
            return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
        if asked.method != "GET" or not hmac.compare_digest(given, self._signature(digest)):
            return _xml(403, "AccessDenied", f"Request has expired: {asked.target}")
        # The ETag looks like a SHA-256, but is not that of the content.
        headers = {"ETag": f'"{hashlib.sha256(digest.encode()).hexdigest()}"'}
        return _ranged(asked, self._blobs[digest], headers)

    def _signature(self, digest: str) -> str:
        return hmac.new(str(self._secret).encode(), digest.encode(), "sha256").hexdigest()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    entry = {"type": "file", "oid": git_hash(data), "size": len(data), "path": path}
    if is_large(path):
        lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        entry["lfs"] = lfs
    return entry


def _ranged(asked: Asked, data: bytes, headers: dict[str, str]) -> Reply:
    headers["Accept-Ranges"] = "bytes"
    text = asked.headers.get("range")
    if text is None:
        return Reply(200, data, headers)
    first, _, last = text.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or len(data)), len(data) - 1)
    if start > end:
        return Reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
    return Reply(206, data[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{len(data)}"})


def _chunks(body: bytes) -> bytes:
    pieces = (body[start : start + 1000] for start in range(0, len(body), 1000))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"})


def _failure(status: int, code: str | None, message: str) -> Reply:
    reply = _json({"error": message})
    reply.status = status
    reply.headers |= {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return reply


def _no_repository(token: str) -> Reply:
    if token:
        return _failure(404, "RepoNotFound", "Repository not found")
    return _failure(401, "RepoNotFound", "Invalid username or password.")


def _xml(status: int, code: str, message: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})
