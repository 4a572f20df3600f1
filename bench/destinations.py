"""Where a run stores its bytes: emptied before the run, checked after it."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from bench import data
from bench.datasets import MiB
from bench.servers import BUCKET, ServerError


class Destination(Protocol):
    """A directory or a bucket."""

    def empty(self) -> None:
        """Remove everything in it."""

    def check(self, dataset: data.Dataset, *, every_byte: bool) -> None:
        """Compare its content with the source: names and sizes, or the SHA-256 of all files.

        Raises:
            data.WrongBytesError: They differ.
        """


class Directory:
    """A local directory: the destination of a download, or the directory in which a server stores an upload.

    Args:
        path: The directory to check.
        root: The directory to empty: `path` or a parent of it.
        old: Where to move what is in it, instead of removing it. For many files: ext4 without a journal does not reuse
            an inode for a minute after its file was deleted, and checks all such inodes for each new file
            (`recently_deleted` in its `ialloc.c`), which costs each run what the one before has deleted.
    """

    def __init__(self, path: Path, root: Path, old: Path | None = None) -> None:
        self._path, self._root, self._old = path, root, old

    def empty(self) -> None:
        if self._old is not None and self._root.exists():
            self._old.mkdir(exist_ok=True)
            self._root.rename(self._old / str(len(list(self._old.iterdir()))))
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir()

    def check(self, dataset: data.Dataset, *, every_byte: bool) -> None:
        # The hub's client stores its metadata next to the files.
        shutil.rmtree(self._path / ".cache", ignore_errors=True)
        data.check_sizes(data.sizes(self._path), dataset)
        if every_byte:
            data.check_digests(data.digests(self._path), dataset)


class Bucket:
    """A bucket, accessed with rclone, on a server that can remove a bucket with its content, such as SeaweedFS.

    Args:
        rclone: The program.
        environ: Variables with the server and the keys for rclone.
        folder: The prefix to check.
    """

    def __init__(self, rclone: Path, environ: Mapping[str, str], folder: str) -> None:
        self._rclone, self._environ, self._folder = rclone, environ, folder

    def empty(self) -> None:
        self._rclone_output("rmdir", f"bench:{BUCKET}")
        self.make()

    def make(self) -> None:
        """Create the bucket, and let the server create its first volume.

        This takes a second, which must not count for any run.
        """
        self._rclone_output("mkdir", f"bench:{BUCKET}")
        self._rclone_output("rcat", f"bench:{BUCKET}/first", body="x" * MiB)
        self._rclone_output("deletefile", f"bench:{BUCKET}/first")

    def fill(self, folder: Path) -> None:
        """Create the bucket, and store the files of a folder under the prefix."""
        self._rclone_output("mkdir", f"bench:{BUCKET}")
        self._rclone_output("copy", str(folder), self._prefix)

    def check(self, dataset: data.Dataset, *, every_byte: bool) -> None:
        listing = json.loads(self._rclone_output("lsjson", "--recursive", "--files-only", "--no-modtime", self._prefix))
        data.check_sizes({entry["Path"]: entry["Size"] for entry in listing}, dataset)
        if every_byte:
            lines = self._rclone_output("hashsum", "sha256", "--download", self._prefix).splitlines()
            found = (line.split("  ", 1) for line in lines)
            data.check_digests({path: digest for digest, path in found}, dataset)

    @property
    def _prefix(self) -> str:
        return f"bench:{BUCKET}/{self._folder}"

    def _rclone_output(self, *arguments: str, body: str = "") -> str:
        command = [str(self._rclone), *arguments]
        done = subprocess.run(
            command, env=self._environ, input=body, capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode != 0:
            raise ServerError(f"rclone {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
        return done.stdout
