"""A fake of WebHDFS: a namenode, and a datanode to which it redirects, in this process.

There is no HDFS that tests could install. This one implements what a client needs for reading, as
https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html describes it.
`tests/api/test_hdfs.py` verifies it with the `hdfs` client of PyPI.
"""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from sealift import HDFSConfig
from sealift.integrity import checksums as checksum
from tests.services.fake_server import Asked, Reply, serving

__all__ = ["FakeHDFS", "running"]

PREFIX = "/webhdfs/v1"
CHUNK = 512
# Milliseconds; each write has a time of its own.
TIMES = itertools.count(1_700_000_000_123, 1009)


class FakeHDFS:
    """A file system.

    Attributes:
        url: Address of the namenode.
        files: Absolute path → content, file ID, and time of modification in milliseconds.
        directories: Absolute paths of directories.
        links: Absolute paths of symbolic links.
        asked: All requests to the namenode and the datanode, in order.
        block: Bytes of a block.
        page: Entries of a page of LISTSTATUS_BATCH; 0: the operation is unknown, as before Hadoop 2.9.
        standby: Whether the namenode is not the active one.
        token: The delegation token that is required; None: no identity is needed.
        negotiate: The Authorization header for which a delegation token is issued; None: there are none.
        composite: Whether checksums are CRCs of the whole file (`dfs.checksum.combine.mode`).
        corrupt: Whether the datanode sends other bytes than are stored.
        denied: Paths that may not be read.
    """

    def __init__(self) -> None:
        self.url = self.datanode = ""
        self.files: dict[str, tuple[bytes, int, int]] = {}
        self.directories = {"/"}
        self.links: set[str] = set()
        self.asked: list[Asked] = []
        self.block = 64 * 1024
        self.page = 100
        self.standby = False
        self.token: str | None = None
        self.negotiate: str | None = None
        self.composite = False
        self.corrupt = False
        self.denied: set[str] = set()
        self._ids = itertools.count(16_386)

    @property
    def config(self) -> HDFSConfig:
        return HDFSConfig(self.url)

    def put(self, files: Mapping[str, bytes], below: str = "/") -> None:
        """Store files."""
        for key, data in files.items():
            path = f"{below.rstrip('/')}/{key}"
            self.mkdirs(path.rpartition("/")[0] or "/")
            self.files[path] = (data, next(self._ids), next(TIMES))

    def mkdirs(self, path: str) -> None:
        """Create a directory and those above it."""
        while path not in self.directories:
            self.directories.add(path)
            path = path.rpartition("/")[0] or "/"

    def delete(self, path: str) -> None:
        """Delete a file."""
        del self.files[path]

    def operations(self) -> list[str]:
        """The operations of all requests, in order; one that is redirected counts twice."""
        return [asked.query["op"] for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        """Answer as the namenode."""
        self.asked.append(asked)
        query = asked.query
        if "op" not in query:
            return Reply(404, b"<html>Not Found</html>")
        if self.standby:
            return _failure(403, "StandbyException", "Operation category READ is not supported in state standby")
        if query["op"] == "GETDELEGATIONTOKEN":
            if self.negotiate is None:
                return _json({"Token": None})
            if asked.headers.get("authorization") != self.negotiate:
                return Reply(401, b"<html>Authentication required</html>", {"WWW-Authenticate": "Negotiate"})
            return _json({"Token": {"urlString": self.token}})
        if self.token is not None and query.get("delegation") != self.token:
            if "delegation" in query:
                return _failure(403, "InvalidToken", f"token ({query['delegation']}) can't be found in cache")
            return Reply(401, b"<html>Authentication required</html>", {"WWW-Authenticate": "Negotiate"})
        if not asked.path.startswith(f"{PREFIX}/"):
            return Reply(404, b"<html>Not Found</html>")
        path = asked.path.removeprefix(PREFIX)
        path = path.rstrip("/") or "/"
        if path in self.denied:
            return _failure(
                403, "AccessControlException", f'Permission denied: user=dr.who, access=READ, inode="{path}"'
            )
        return self._operation(query["op"], path, query)

    def _operation(self, operation: str, path: str, query: Mapping[str, str]) -> Reply:
        above = path.rpartition("/")[0]
        if path in self.links or above in self.links:
            return _failure(403, "UnresolvedPathException", f"Unresolved path {path}")
        while above:
            if above in self.files:
                return _failure(403, "ParentNotDirectoryException", f"{above} (is not a directory)")
            above = above.rpartition("/")[0]
        known = path in self.files or path in self.directories
        match operation:
            case "GETFILESTATUS" if known:
                return _json({"FileStatus": self._status(path, "")})
            case "LISTSTATUS" if known:
                return _json(_statuses([self._status(each, name) for each, name in self._entries(path)]))
            case "LISTSTATUS_BATCH" if known and self.page:
                entries = [each for each in self._entries(path) if each[1] > query.get("startAfter", "")]
                entries = entries or ([] if path in self.directories else [(path, "")])
                shown = [self._status(each, name) for each, name in entries[: self.page]]
                rest = max(len(entries) - self.page, 0)
                return _json({"DirectoryListing": {"partialListing": _statuses(shown), "remainingEntries": rest}})
            case "LISTSTATUS_BATCH" if not self.page:
                message = 'Invalid value for webhdfs parameter "op": No enum constant LISTSTATUS_BATCH'
                return _failure(400, "IllegalArgumentException", message)
            case "OPEN" | "GETFILECHECKSUM" if path in self.files:
                parameters = {**query, "namenoderpcaddress": "localhost:8020"}
                target = f"{self.datanode}{PREFIX}{quote(path, errors='surrogateescape')}?{urlencode(parameters)}"
                return Reply(307, headers={"Location": target})
            case "GETHOMEDIRECTORY":
                return _json({"Path": f"/user/{query.get('user.name', 'dr.who')}"})
        return _failure(404, "FileNotFoundException", f"File does not exist: {path}")

    def _entries(self, path: str) -> list[tuple[str, str]]:
        """The paths and names in a directory; of a file, itself without a name."""
        if path in self.files:
            return [(path, "")]
        below = path.rstrip("/") + "/"
        names = [
            each.removeprefix(below) for each in (*self.files, *self.directories, *self.links) if each.startswith(below)
        ]
        return [(below + name, name) for name in sorted(names) if name and "/" not in name]

    def _status(self, path: str, name: str) -> dict[str, Any]:
        data, number, time = self.files.get(path, (b"", 16_385, 0))
        kind = "FILE" if path in self.files else "SYMLINK" if path in self.links else "DIRECTORY"
        return {
            "accessTime": time, "blockSize": self.block, "childrenNum": 0, "fileId": number, "group": "supergroup",
            "length": len(data), "modificationTime": time, "owner": "models", "pathSuffix": name, "permission": "644",
            "replication": 1, "storagePolicy": 0, "type": kind,
        }  # fmt: skip

    def answer_datanode(self, asked: Asked) -> Reply:
        """Answer as the datanode, which closes each connection."""
        self.asked.append(asked)
        path, query = asked.path.removeprefix(PREFIX), asked.query
        if "namenoderpcaddress" not in query:
            return _failure(400, "IllegalArgumentException", "namenoderpcaddress is not specified")
        if path not in self.files:
            return _failure(404, "FileNotFoundException", f"File does not exist: {path}")
        data = self.files[path][0]
        if query["op"] == "GETFILECHECKSUM":
            return _json({"FileChecksum": self._checksum(data)})
        start = int(query.get("offset", 0))
        if start > len(data):
            return _failure(403, "IOException", f"Offset={start} out of the range [0, {len(data)})")
        body = data[start : start + int(query.get("length", len(data)))]
        body = bytes([body[0] ^ 1]) + body[1:] if self.corrupt and body else body
        return Reply(200, body, {"Content-Type": "application/octet-stream", "Connection": "close"})

    def _checksum(self, data: bytes) -> dict[str, Any]:
        if self.composite:
            return {"algorithm": "COMPOSITE-CRC32C", "bytes": checksum.digest("crc32c", data), "length": 4}
        sums = b""
        for start in range(0, len(data), self.block):
            block = data[start : start + self.block]
            pieces = (block[first : first + CHUNK] for first in range(0, len(block), CHUNK))
            crcs = b"".join(bytes.fromhex(checksum.digest("crc32c", piece)) for piece in pieces)
            sums += hashlib.md5(crcs).digest()
        padded = sums.ljust(max(32, 1 << (len(sums) - 1).bit_length()), b"\0")
        chunks = self.block // CHUNK if len(data) > self.block else 0
        whole = CHUNK.to_bytes(4, "big") + chunks.to_bytes(8, "big") + hashlib.md5(padded).digest()
        return {"algorithm": f"MD5-of-{chunks}MD5-of-{CHUNK}CRC32C", "bytes": whole.hex() + "00000000", "length": 28}


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _failure(status: int, exception: str, message: str) -> Reply:
    body = {"RemoteException": {"exception": exception, "javaClassName": f"java.io.{exception}", "message": message}}
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _statuses(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"FileStatuses": {"FileStatus": entries}}


@contextlib.contextmanager
def running() -> Iterator[FakeHDFS]:
    """Run the servers during the block."""
    fake = FakeHDFS()
    with serving(fake.answer_datanode) as fake.datanode, serving(fake.answer) as fake.url:
        yield fake
