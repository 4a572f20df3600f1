"""Where the bytes of a run arrive: emptied before it, looked at after it."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from bench import data
from bench.scenarios import MiB
from bench.servers import BUCKET, ServerError


class Place(Protocol):
    """A directory or a bucket."""

    def empty(self) -> None:
        """Remove all that is in it."""

    def check(self, dataset: data.Dataset, *, every_byte: bool) -> None:
        """Compare what is there with its source: names and sizes, or the SHA-256 of everything.

        Raises:
            data.WrongBytesError: They differ.
        """


class Directory:
    """A directory of this machine: the target of a download, or what a server makes of an upload.

    Args:
        path: What is looked at.
        root: What is emptied, `path` or above.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root

    def empty(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir()

    def check(self, dataset: data.Dataset, *, every_byte: bool) -> None:
        # The hub's client keeps notes of its own beside the files.
        shutil.rmtree(self._path / ".cache", ignore_errors=True)
        data.check_sizes(data.sizes(self._path), dataset)
        if every_byte:
            data.check_digests(data.digests(self._path), dataset)


class Bucket:
    """The bucket of a server that removes a bucket with what is in it, as SeaweedFS does. rclone asks it.

    Args:
        rclone: The program.
        environ: Names the server and its keys to rclone.
        folder: The prefix that is looked at.
    """

    def __init__(self, rclone: Path, environ: Mapping[str, str], folder: str) -> None:
        self._rclone, self._environ, self._folder = rclone, environ, folder

    def empty(self) -> None:
        self._ask("rmdir", f"bench:{BUCKET}")
        self.make()

    def make(self) -> None:
        """Make the bucket, and let the server make its first volume.

        That takes it a second, which is not to be in anybody's run.
        """
        self._ask("mkdir", f"bench:{BUCKET}")
        self._ask("rcat", f"bench:{BUCKET}/first", body="x" * MiB)
        self._ask("deletefile", f"bench:{BUCKET}/first")

    def fill(self, folder: Path) -> None:
        """Make the bucket, and store the files of a folder below the prefix."""
        self._ask("mkdir", f"bench:{BUCKET}")
        self._ask("copy", str(folder), self._prefix)

    def check(self, dataset: data.Dataset, *, every_byte: bool) -> None:
        listing = json.loads(self._ask("lsjson", "--recursive", "--files-only", "--no-modtime", self._prefix))
        data.check_sizes({entry["Path"]: entry["Size"] for entry in listing}, dataset)
        if every_byte:
            lines = self._ask("hashsum", "sha256", "--download", self._prefix).splitlines()
            found = (line.split("  ", 1) for line in lines)
            data.check_digests({path: digest for digest, path in found}, dataset)

    @property
    def _prefix(self) -> str:
        return f"bench:{BUCKET}/{self._folder}"

    def _ask(self, *arguments: str, body: str = "") -> str:
        command = [str(self._rclone), *arguments]
        done = subprocess.run(
            command, env=self._environ, input=body, capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode != 0:
            raise ServerError(f"rclone {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
        return done.stdout
