"""A fake of the ModelScope hub and of the storage behind it, in this process.

There is no such hub that works offline. This one implements what a client needs for reading, as the client does:
https://github.com/modelscope/modelscope_hub. `tests/api/test_modelscope.py` downloads from it with that client.

- An unknown revision is a success without a list of files; an unknown file is a 404.
- A listing ends after 3,000 entries, without saying so.
- Files in Git LFS are a 302 to a URL that expires, at another origin. Others are sent whole, whatever the Range.
"""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sealift import ModelScopeConfig
from tests.services.fake_server import HOST, Asked, Reply, serving

__all__ = ["TOKEN", "FakeModelScope", "Repo", "running"]

TOKEN = "ms-token-of-the-fake"
LARGE = (".bin", ".safetensors")
MOST = 3000
DATE = 1_700_000_000


@dataclass(slots=True)
class Repo:
    """A repository.

    Attributes:
        private: Whether only the token may see it.
        revisions: Branch or tag → path → content.
    """

    private: bool = False
    revisions: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"master": {}})

    def put(self, files: Mapping[str, bytes], revision: str = "master") -> None:
        """Add or replace files."""
        self.revisions.setdefault(revision, {}).update(files)

    def delete(self, key: str) -> None:
        """Delete a file."""
        del self.revisions["master"][key]


class FakeModelScope:
    """The hub, and its storage at another port.

    Attributes:
        url: Address of the hub.
        storage: Address of the storage.
        repos: "owner/name" → repository.
        asked: All requests, in order.
        corrupt: Whether the hub and the storage send other bytes than are stored.
    """

    def __init__(self) -> None:
        self.url = self.storage = ""
        self.repos: dict[str, Repo] = {}
        self.asked: list[Asked] = []
        self.corrupt = False
        self._blobs: dict[str, bytes] = {}
        self._signature = 0

    @property
    def config(self) -> ModelScopeConfig:
        return ModelScopeConfig(endpoint=self.url, anonymous=True)

    @property
    def signed_in(self) -> ModelScopeConfig:
        return ModelScopeConfig(TOKEN, self.url)

    def repo(self, name: str, files: Mapping[str, bytes] | None = None, *, private: bool = False) -> Repo:
        """Create a repository with these files in its branch "master"."""
        made = self.repos[name] = Repo(private)
        made.put(files or {})
        return made

    def expire(self) -> None:
        """Make all URLs of the storage invalid."""
        self._signature += 1

    def listings(self) -> int:
        """How many listings were requested."""
        return sum(asked.path.endswith("/repo/files") for asked in self.asked)

    def answer(self, asked: Asked) -> Reply:
        """Answer as the hub."""
        self.asked.append(asked)
        bearer = asked.headers.get("authorization", "")
        if bearer not in {"", f"Bearer {TOKEN}"}:
            return _failure(401, 10010200001, f"invalid token {bearer}")
        segments = asked.path.removeprefix("/api/v1/models/").split("/", 2)
        repo = self.repos.get("/".join(segments[:2]))
        if repo is None or (repo.private and not bearer):
            return _failure(404, 10010205001, "获取模型信息失败")
        files = repo.revisions.get(asked.query.get("Revision", "master"))
        if segments[2:] == ["repo/files"]:
            return self._files(files, asked.query)
        if segments[2:] == ["repo"]:
            return self._file(files, asked.query)
        return _json({"Code": 200, "Data": {"Name": segments[1], "Path": segments[0]}, "Success": True})

    def _files(self, files: Mapping[str, bytes] | None, query: Mapping[str, str]) -> Reply:
        if files is None:
            return _json({"Code": 200, "Data": {"Files": None}, "Message": "success", "Success": True})
        below = f"{query['Root'].strip('/')}/" if query.get("Root", "/") != "/" else ""
        recursive = query.get("Recursive", "").lower() == "true"
        entries: dict[str, dict[str, Any]] = {}
        for path, data in sorted(files.items()):
            if not path.startswith(below):
                continue
            segments = path.removeprefix(below).split("/")
            for folder in list(itertools.accumulate(segments[:-1], "{}/{}".format))[: None if recursive else 1]:
                entries[below + folder] = _entry(below + folder, "tree", b"")
            if recursive or len(segments) == 1:
                entries[path] = _entry(path, "blob", data)
        if below and not entries:
            return _failure(404, 10990101006, "获取模型文件列表失败")
        listed = list(entries.values())[:MOST]
        return _json({"Code": 200, "Data": {"Files": listed}, "Message": "success", "Success": True})

    def _file(self, files: Mapping[str, bytes] | None, query: Mapping[str, str]) -> Reply:
        data = (files or {}).get(query["FilePath"])
        if data is None:
            return _failure(404, 10990101007, "获取模型文件失败")
        if not query["FilePath"].endswith(LARGE):
            return Reply(200, self._sent(data), {"Content-Type": "application/octet-stream"})
        digest = hashlib.sha256(data).hexdigest()
        self._blobs[digest] = data
        # Another host, which must not get the cookie: a cookie is for all ports of a host.
        storage = self.storage.replace(HOST, "localhost")
        return Reply(302, headers={"Location": f"{storage}/lfs-objects/{digest}?auth_key={self._signature}"})

    def _sent(self, data: bytes) -> bytes:
        return bytes([data[0] ^ 1]) + data[1:] if self.corrupt and data else data

    def answer_storage(self, asked: Asked) -> Reply:
        """Answer as the storage."""
        self.asked.append(asked)
        if {"authorization", "cookie"} & set(asked.headers):
            return Reply(400)
        if parse_qs(urlsplit(asked.target).query)["auth_key"] != [str(self._signature)]:
            return Reply(403, f"expired: {asked.target}".encode())
        digest = asked.path.rpartition("/")[2]
        data, headers = self._sent(self._blobs[digest]), {"X-Linked-ETag": f'"{digest}"'}
        if "range" not in asked.headers:
            return Reply(200, data, headers)
        first, last = asked.headers["range"].removeprefix("bytes=").split("-")
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
        return Reply(206, data[start : end + 1], headers | {"Content-Range": f"bytes {start}-{end}/{len(data)}"})


def _entry(path: str, kind: str, data: bytes) -> dict[str, Any]:
    is_file = kind == "blob"
    return {
        "CommitMessage": "Upload", "CommittedDate": DATE, "CommitterName": "T", "InCheck": False,
        "IsLFS": is_file and path.endswith(LARGE), "Mode": "33188" if is_file else "16384",
        "Name": path.rpartition("/")[2], "Path": path, "Revision": hashlib.sha1(data).hexdigest(),
        "Sha256": hashlib.sha256(data).hexdigest() if is_file else "", "Size": len(data), "Type": kind,
    }  # fmt: skip


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _failure(status: int, code: int, message: str) -> Reply:
    return _json({"Code": code, "Data": None, "Message": message, "RequestId": "1", "Success": False}, status)


@contextlib.contextmanager
def running() -> Iterator[FakeModelScope]:
    """Run the servers during the block."""
    fake = FakeModelScope()
    with serving(fake.answer_storage) as fake.storage, serving(fake.answer) as fake.url:
        yield fake
