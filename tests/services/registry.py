"""A fake of a container registry, its token service and its storage, in this process.

No registry comes from a package index. This one implements what clients need to push and pull, as in
https://github.com/opencontainers/distribution-spec/blob/main/spec.md; the real client `oras` pushes to it and pulls
from it in `tests/api/test_oci.py`. As registries do:

- A request without a token is a 401 with a challenge, also if the repository does not exist.
- A manifest is returned as it was pushed, with Docker-Content-Digest; blobs have ranges.
- With a storage, a blob is a 307 to a signed URL there, which rejects a request with a token, as S3 does.
"""

import base64
import gzip
import hashlib
import io
import itertools
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"
USER, PASSWORD, IDENTITY = "robot$models", "p:a ss/word", "identity-token-of-the-fake"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MODEL = "application/vnd.cncf.model"
CREATED = "2024-02-03T04:05:06Z"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as received; `origin` is "registry", "token" or "storage"."""

    origin: str
    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Repository:
    """Blobs by digest, manifests by digest with their media types, and tags."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def add_blob(self, data: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Store a blob; return its descriptor."""
        self.blobs[digest_of(data)] = data
        descriptor = {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
        return descriptor | ({"annotations": dict(annotations)} if annotations else {})

    def add_manifest(self, document: Mapping[str, Any], tag: str | None = "latest") -> dict[str, Any]:
        """Store a manifest or an index, for a tag or without one; return its descriptor."""
        body, media_type = json.dumps(document).encode(), document["mediaType"]
        self.manifests[digest_of(body)] = body, media_type
        if tag is not None:
            self.tags[tag] = digest_of(body)
        return {"mediaType": media_type, "digest": digest_of(body), "size": len(body)}

    def put_image(
        self, layers: Iterable[bytes], tag: str | None = "latest", suffixes: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Store an image with these layers, as made by `tar_of` and perhaps compressed."""
        config = self.add_blob(b"{}", IMAGE_CONFIG)
        ends = itertools.chain(suffixes, itertools.repeat(""))
        described = [self.add_blob(data, LAYER + end) for data, end in zip(layers, ends, strict=False)]
        return self.add_manifest(_manifest(config, described), tag)

    def put_model(self, files: Mapping[str, bytes], tag: str | None = "latest") -> dict[str, Any]:
        """Store a ModelPack artifact with each file in a layer of its own."""
        layers = [
            self.add_blob(data, f"{MODEL}.weight.v1.raw", {"org.cncf.model.filepath": path})
            for path, data in files.items()
        ]
        return self.put_artifact(layers, tag)

    def put_artifact(self, layers: Iterable[Mapping[str, Any]], tag: str | None = "latest") -> dict[str, Any]:
        """Store an artifact with layers that `add_blob` returned."""
        config = self.add_blob(b"{}", f"{MODEL}.config.v1+json")
        return self.add_manifest(_manifest(config, layers) | {"artifactType": f"{MODEL}.manifest.v1+json"}, tag)


def _manifest(config: Mapping[str, Any], layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": list(layers),
        "annotations": {"org.opencontainers.image.created": CREATED},
    }


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_of(files: Mapping[str, bytes | str | None], *, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """A tar archive of files (bytes), directories (None), and links: "-> target" is symbolic, "=> target" hard."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mtime = 1_700_000_000
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type = tarfile.SYMTYPE if content.startswith("-> ") else tarfile.LNKTYPE
                member.linkname = content[3:]
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return target.getvalue()


def gzipped(data: bytes) -> bytes:
    """Compressed with gzip, in two members."""
    half = len(data) // 2
    return gzip.compress(data[:half], 1) + gzip.compress(data[half:], 1)


class FakeRegistry:
    """The registry on one port, its token service and its storage on others.

    Args:
        auth: How clients sign in; "none": not at all.
        storage: Whether blobs are at another origin.
        ranges: Whether blobs have ranges.

    Attributes:
        repositories: By name.
        asked: All requests, in order.
        instead: Called with each request; returns another reply, or None.
        public: Whether a token is also given to who has not signed in.
    """

    def __init__(
        self, auth: Literal["none", "basic", "token"] = "none", *, storage: bool = False, ranges: bool = True
    ) -> None:
        self.auth = auth
        self.ranges = ranges
        self.public = False
        self.repositories: dict[str, Repository] = {}
        self.asked: list[Asked] = []
        self.instead: Callable[[Asked], Reply | None] = lambda asked: None
        self.token = "token-0"
        self.signature = "signature-0"
        self._uploads: dict[str, bytearray] = {}
        self._counter = itertools.count(1)
        self._lock = threading.Lock()
        self._servers = {name: self._listen(name) for name in ("registry", "token", "storage")}
        self._storage = storage

    def repository(self, name: str) -> Repository:
        return self.repositories.setdefault(name, Repository())

    def host(self, origin: str = "registry") -> str:
        """Host and port."""
        return f"{HOST}:{self._servers[origin].server_port}"

    def uri(self, name: str) -> str:
        return f"oci://{self.host()}/{name}"

    def blobs_asked(self) -> list[Asked]:
        """The requests that returned bytes of blobs, or redirects to them."""
        return [asked for asked in self.asked if "/blobs/" in asked.path and asked.method == "GET"]

    def expire(self) -> None:
        """Let the tokens and signed URLs that were given out expire."""
        number = next(self._counter)
        self.token, self.signature = f"token-{number}", f"signature-{number}"

    def __enter__(self) -> Self:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def _listen(self, origin: str) -> ThreadingHTTPServer:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(origin, self.command, self.path, headers)
                with registry._lock:
                    registry.asked.append(asked)
                    reply = registry.instead(asked) or registry._answer(asked, body)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in reply.headers:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer((HOST, 0), Handler)
        server.daemon_threads = True
        return server

    def _answer(self, asked: Asked, body: bytes) -> Reply:
        match asked.origin:
            case "token":
                return self._give_token(asked, body)
            case "storage":
                return self._stored(asked)
        refused = self._refuse(asked)
        if refused is not None:
            return refused
        if asked.path == "/v2/":
            return Reply(200, b"{}")
        matched = re.fullmatch(r"/v2/(.+)/(manifests|blobs/uploads|blobs)/([^/]*)", asked.path)
        if matched is None:
            return _error(404, "UNSUPPORTED")
        name, kind, reference = matched.groups()
        if kind == "manifests":
            return self._manifest(asked, name, reference, body)
        return self._upload(asked, name, body) if kind == "blobs/uploads" else self._blob(asked, name, reference)

    def _refuse(self, asked: Asked) -> Reply | None:
        given = asked.headers.get("authorization", "")
        if self.auth == "none" or given == (f"Bearer {self.token}" if self.auth == "token" else _basic(USER, PASSWORD)):
            return None
        challenge = 'Basic realm="the fake"'
        if self.auth == "token":
            scope = ":".join(("repository", asked.path.removeprefix("/v2/").partition("/manifests/")[0], "pull,push"))
            challenge = f'Bearer realm="http://{self.host("token")}/token?of=fake",service="the fake",scope="{scope}"'
        return _error(401, "UNAUTHORIZED", headers={"WWW-Authenticate": challenge})

    def _give_token(self, asked: Asked, body: bytes) -> Reply:
        fields = parse_qs(body.decode() if asked.method == "POST" else urlsplit(asked.target).query)
        given = asked.headers.get("authorization")
        if asked.method == "POST":
            allowed = fields.get("refresh_token") == [IDENTITY]
        else:
            allowed = given == _basic(USER, PASSWORD) or (given is None and self.public)
        if not allowed or fields.get("service") != ["the fake"] or "scope" not in fields:
            return _error(401, "UNAUTHORIZED", message="incorrect username or password")
        name = "access_token" if asked.method == "POST" else "token"
        return Reply(200, json.dumps({name: self.token}).encode())

    def _manifest(self, asked: Asked, name: str, reference: str, body: bytes) -> Reply:
        if asked.method == "PUT":
            repository = self.repository(name)
            media_type = asked.headers["content-type"]
            repository.manifests[digest_of(body)] = body, media_type
            if not reference.startswith("sha256:"):
                repository.tags[reference] = digest_of(body)
            location = f"/v2/{name}/manifests/{digest_of(body)}"
            return Reply(201, headers={"Docker-Content-Digest": digest_of(body), "Location": location})
        found = self.repositories.get(name)
        if found is None:
            return _error(404, "NAME_UNKNOWN")
        digest = found.tags.get(reference, reference)
        if digest not in found.manifests:
            return _error(404, "MANIFEST_UNKNOWN")
        document, media_type = found.manifests[digest]
        if media_type not in asked.headers.get("accept", "*/*") and "*/*" not in asked.headers.get("accept", "*/*"):
            return _error(404, "MANIFEST_UNKNOWN", message="the type is not accepted")
        return Reply(200, document, {"Docker-Content-Digest": digest, "Content-Type": media_type})

    def _blob(self, asked: Asked, name: str, digest: str) -> Reply:
        data = self.repository(name).blobs.get(digest)
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
        if self._storage:
            return Reply(
                307, headers={"Location": f"http://{self.host('storage')}/{name}/blobs/{digest}?sig={self.signature}"}
            )
        return self._bytes(asked, data)

    def _stored(self, asked: Asked) -> Reply:
        url = urlsplit(asked.target)
        if "authorization" in asked.headers or parse_qs(url.query).get("sig") != [self.signature]:
            return Reply(403, b"<Error>the signature of this secret URL has expired</Error>")
        name, _, digest = url.path[1:].rpartition("/blobs/")
        return self._bytes(asked, self.repository(name).blobs[digest])

    def _bytes(self, asked: Asked, data: bytes) -> Reply:
        matched = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
        if matched is None or not self.ranges:
            return Reply(200, data)
        first, last = int(matched[1]), int(matched[2] or len(data) - 1)
        part = data[first : last + 1]
        if not part:
            return Reply(416)
        return Reply(206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"})

    def _upload(self, asked: Asked, name: str, body: bytes) -> Reply:
        token = parse_qs(urlsplit(asked.target).query).get("id", [str(next(self._counter))])[0]
        self._uploads.setdefault(token, bytearray()).extend(body)
        location = f"http://{self.host()}/v2/{name}/blobs/uploads/?id={token}"
        digest = parse_qs(urlsplit(asked.target).query).get("digest")
        if digest is None:
            return Reply(202, headers={"Location": location, "Range": f"0-{len(self._uploads[token]) - 1}"})
        data = bytes(self._uploads.pop(token))
        if digest != [digest_of(data)]:
            return _error(400, "DIGEST_INVALID")
        self.repository(name).blobs[digest[0]] = data
        return Reply(201, headers={"Location": f"/v2/{name}/blobs/{digest[0]}", "Docker-Content-Digest": digest[0]})


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _error(status: int, code: str, *, message: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]}).encode()
    return Reply(status, body, {"Content-Type": "application/json", **(headers or {})})
