"""`git http-backend`, Git's own server, on a thread of this process, and the LFS server of its repositories.

https://git-scm.com/docs/git-http-backend, https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
`tests/api/test_git.py` verifies the LFS server with the LFS client of dulwich.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sealift import GitConfig
from tests.services.fake_server import Asked, Reply, serving

__all__ = ["GitServer", "Repository", "running"]

DATE = 1_700_000_000


class Repository:
    """A bare repository of the server. Its branch "main" has one commit, without files.

    Args:
        server: The server.
        name: "owner/name".
    """

    def __init__(self, server: "GitServer", name: str) -> None:
        self.path = server.directory / f"{name}.git"
        self.url = f"{server.url}/{name}.git"
        self.uri = f"git+{self.url}"
        self._server = server
        self._run("init", "--quiet", "--bare", "--initial-branch=main", str(self.path))
        self.put({})

    def put_tree(self, name: bytes) -> None:
        """Commit one empty file with any name, also one that Git itself refuses."""
        blob = self._run("--git-dir", str(self.path), "hash-object", "-w", "--stdin").decode().strip()
        tree = b"100644 " + name + b"\0" + bytes.fromhex(blob)
        options = ("hash-object", "-w", "-t", "tree", "--literally", "--stdin")
        written = self._run("--git-dir", str(self.path), *options, stdin=tree).decode().strip()
        commit = self.git("-c", "user.name=T", "-c", "user.email=t@example.com", "commit-tree", "-m", "x", written)
        self.git("update-ref", "refs/heads/main", commit)

    def _run(self, *command: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", *command], input=stdin, env=self._server.environ, check=True, stdout=subprocess.PIPE
        ).stdout

    def git(self, *command: str) -> str:
        """Run a command in the repository; returns its output."""
        return self._run("--git-dir", str(self.path), *command).decode().strip()

    def put(
        self, files: Mapping[str, bytes | None], branch: str = "main", *, links: Mapping[str, str] | None = None
    ) -> str:
        """Commit files, or delete those that are None; returns the hash of the commit."""
        head = f"refs/heads/{branch}"
        lines = [f"commit {head}\ncommitter T <t@example.com> {DATE} +0000\ndata 0\n".encode()]
        if self.git("for-each-ref", head):
            lines.append(f"from {head}^0\n".encode())
        for key, data in files.items():
            path = _quoted(key)
            lines.append(
                b"D %b\n" % path if data is None else b"M 100644 inline %b\ndata %d\n%b\n" % (path, len(data), data)
            )
        for key, target in (links or {}).items():
            lines.append(b"M 120000 inline %b\ndata %d\n%b\n" % (_quoted(key), len(target.encode()), target.encode()))
        self._run("--git-dir", str(self.path), "fast-import", "--quiet", stdin=b"".join(lines))
        return self.git("rev-parse", head)

    def delete(self, key: str) -> None:
        """Commit without a file."""
        self.put({key: None})

    def put_lfs(self, files: Mapping[str, bytes]) -> str:
        """Commit files in LFS; returns the hash of the commit."""
        pointers = {}
        for key, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            self._server.lfs[digest] = data
            pointers[key] = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()
            )
        return self.put(pointers)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode(errors="surrogateescape")


class GitServer:
    """The server.

    Attributes:
        directory: The repositories.
        url: Address of the server.
        storage: Address of the server that has the LFS files.
        lfs: SHA-256 → content of an LFS file.
        asked: All requests, in order; those to the storage have the query "signature".
        password: Required for the user "robot"; None: everybody may read.
        damage: Whether a byte of each pack is another one.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = self.storage = ""
        self.lfs: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.password: str | None = None
        self.damage = False
        self._signature = 0
        # Nothing of the configuration of whoever runs the tests.
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}

    @property
    def config(self) -> GitConfig:
        return GitConfig("robot", self.password) if self.password else GitConfig(anonymous=True)

    def expire(self) -> None:
        """Make all URLs of LFS files invalid."""
        self._signature += 1

    def fetches(self) -> int:
        """How often files were requested."""
        return sum(asked.path.endswith("/git-upload-pack") for asked in self.asked)

    def answer(self, asked: Asked) -> Reply:
        """Answer as the server of the repositories."""
        self.asked.append(asked)
        known = base64.b64encode(f"robot:{self.password}".encode()).decode()
        if self.password and asked.headers.get("authorization") != f"Basic {known}":
            return Reply(401, b"<html>Sign in</html>", {"WWW-Authenticate": 'Basic realm="git"'})
        if asked.path.startswith("/moved/"):
            return Reply(302, headers={"Location": asked.target.removeprefix("/moved")})
        if asked.path.startswith("/page/"):
            return Reply(200, b"<html>A page</html>", {"Content-Type": "text/html"})
        if asked.path.endswith("/info/lfs/objects/batch"):
            return self._batch(asked)
        split = urlsplit(asked.target)
        environ = {
            **self.environ,
            "GIT_PROJECT_ROOT": str(self.directory),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": asked.method,
            "PATH_INFO": unquote(split.path),
            "QUERY_STRING": split.query,
            "CONTENT_TYPE": asked.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(asked.body)),
        }
        if "git-protocol" in asked.headers:
            environ["GIT_PROTOCOL"] = asked.headers["git-protocol"]
        # What it reports of a request that it refuses is not of interest.
        done = subprocess.run(
            ["git", "http-backend"],
            input=asked.body,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(fields.pop("Status", "200").split()[0])
        if self.damage and asked.path.endswith("/git-upload-pack"):
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        return Reply(status, body, fields)

    def _batch(self, asked: Asked) -> Reply:
        objects = []
        for each in json.loads(asked.body)["objects"]:
            data = self.lfs.get(each["oid"])
            if data is None:
                objects.append({**each, "error": {"code": 404, "message": "Object does not exist"}})
                continue
            href = f"{self.storage}/{each['oid']}?signature={self._signature}"
            download = {"href": href, "header": {"X-Storage": "yes"}, "expires_in": 60}
            objects.append({**each, "authenticated": True, "actions": {"download": download}})
        body = json.dumps({"transfer": "basic", "objects": objects}).encode()
        return Reply(200, body, {"Content-Type": "application/vnd.git-lfs+json"})

    def answer_storage(self, asked: Asked) -> Reply:
        """Answer as the server of the LFS files."""
        self.asked.append(asked)
        if "authorization" in asked.headers or asked.headers.get("x-storage") != "yes":
            return Reply(400)
        if parse_qs(urlsplit(asked.target).query)["signature"] != [str(self._signature)]:
            return Reply(403, b"expired")
        data = self.lfs[asked.path.removeprefix("/")]
        if "range" not in asked.headers:
            return Reply(200, data)
        first, last = map(int, asked.headers["range"].removeprefix("bytes=").split("-"))
        return Reply(206, data[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(data)}"})


@contextlib.contextmanager
def running(directory: Path, tls: ssl.SSLContext | None = None) -> Iterator[GitServer]:
    """Run the servers during the block.

    Args:
        directory: For the repositories.
        tls: Accept TLS with this certificate; None: plain HTTP.
    """
    assert shutil.which("git"), "these tests need the program git, with `git http-backend`"
    server = GitServer(directory)
    with serving(server.answer_storage, tls) as server.storage, serving(server.answer, tls) as server.url:
        yield server
