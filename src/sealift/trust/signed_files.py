"""Compare what is found, in a storage or in a local directory, with the files that were signed."""

import hashlib
import os
import stat
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace

from ..errors import SignatureError
from ..frozen_dataclass import dataclass
from ..integrity import checksums, signed
from ..keys import paths
from ..keys.patterns import Patterns
from ..types import MiB, ObjectInfo
from .manifest import THE_ONLY_FILE, Manifest, SignedFile

__all__ = ["SignedFiles"]

_NAMED = 5
_PIECE = 1 * MiB
_ALL = Patterns.of(None, None)
# An empty file that is not listed. It must still be empty when it is read.
_NOTHING = SignedFile(signed.name("sha256"), hashlib.sha256().hexdigest(), 0)


@dataclass(frozen=True, slots=True)
class SignedFiles:
    """What a download may fetch: the files of a manifest, or one file of a known digest.

    Attributes:
        manifest: The files that were signed. None: there is one object, whatever its name.
        digest: The SHA-256 of this object.
        signature: URI or path of the signature, which may lie beside the files.
    """

    manifest: Manifest | None = None
    digest: str = ""
    signature: str = ""

    @property
    def fingerprint(self) -> str:
        """A hash that distinguishes these files from others."""
        return self.digest if self.manifest is None else self.manifest.fingerprint

    def one(self, obj: ObjectInfo, name: str) -> ObjectInfo:
        """An object that is downloaded alone, with its signed digest as checksum.

        Args:
            obj: The object.
            name: Its file name.

        Raises:
            SignatureError: It was not signed.
        """
        if self.manifest is None:
            return _demanding(obj, SignedFile(signed.name("sha256"), self.digest))
        file = self.manifest.files.get(name, self.manifest.files.get(THE_ONLY_FILE))
        if file is None:
            hint = self._hint_for([name])
            raise SignatureError(f"{name!r} is not among the files that were signed", hint=hint)
        return _demanding(obj, file)

    async def all(self, prefix: str, objects: AsyncGenerator[ObjectInfo]) -> list[ObjectInfo]:
        """The signed objects of a prefix, with their signed digests as checksums.

        Args:
            prefix: The prefix of the keys.
            objects: The objects; closed at the end.

        Raises:
            SignatureError: An object was not signed, or a signed one is missing.
        """
        if self.manifest is None:
            await objects.aclose()
            raise SignatureError("a digest is that of one object, and this is a prefix", hint="name the object")
        found: dict[str, ObjectInfo] = {}
        async with aclosing(objects):
            async for obj in objects:
                if not paths.is_directory_marker(obj.key, obj.size):
                    path = paths.collapse(obj.key, prefix)
                    if path in found:
                        raise SignatureError(f"{obj.key!r} and {found[path].key!r} are the same file {path!r}")
                    found[path] = obj
        files = self.manifest.files
        present = self._select({path: obj.size for path, obj in found.items()})
        return [_demanding(found[path], files.get(path, _NOTHING)) for path in present]

    def check_directory(self, directory: str, patterns: Patterns = _ALL, name: str = "") -> int:
        """Compare the files below a directory, or one file, with those that were signed; reads them all.

        Args:
            directory: The directory or file.
            patterns: Which files of the directory are compared.
            name: The name under which a single file was signed. "": its own.

        Returns:
            The number of files that were signed.

        Raises:
            SignatureError: A file is missing, was not signed, or differs.
            OSError: A file cannot be read.
        """
        if not os.path.isdir(directory):
            name = name or os.path.basename(directory)
            [(algorithm, digest)] = self.one(ObjectInfo(name, None), name).checksums.items()
            _compare(directory, name, SignedFile(algorithm, digest))
            return 1
        if self.manifest is None:
            raise SignatureError(f"a digest is that of one file, and {directory!r} is a directory")
        sizes = {path: size for path, size in _walk(directory, self.manifest) if patterns.matches(path)}
        for path in self._select(sizes, patterns):
            if (file := self.manifest.files.get(path)) is not None:
                _compare(os.path.join(directory, path), path, file)
        return len(self.manifest.files)

    def _select(self, sizes: Mapping[str, int | None], patterns: Patterns = _ALL) -> list[str]:
        """The paths that belong to the model, in the order in which they were found; `patterns` select those signed."""
        manifest = self.manifest
        assert manifest is not None  # noqa: S101 - for mypy
        selected, extra = [], []
        for path, size in sizes.items():
            if path in manifest.files or (size == 0 and not manifest.lists_empty and not manifest.ignores(path)):
                selected.append(path)
            elif not manifest.ignores(path) and not self._is_signature(path):
                extra.append(path)
        missing = (path for path in manifest.files if path not in sizes and patterns.matches(path))
        _refuse("were not signed", extra, self._hint_for(extra))
        _refuse("were signed and are missing", missing)
        return selected

    def _hint_for(self, names: Iterable[str]) -> str | None:
        """What to do if these are files of a part of the model: the signature has their paths from its top."""
        assert self.manifest is not None  # noqa: S101 - for mypy
        for name in names:
            ending = f"/{name}"
            if (path := next((each for each in self.manifest.files if each.endswith(ending)), None)) is not None:
                return (
                    f"{path!r} was signed: download from the directory that was signed, and select a part of it with "
                    f"patterns, such as {path.removesuffix(name)}*"
                )
        return None

    def _is_signature(self, path: str) -> bool:
        """Whether a path at the top of the model is that of the signature, which cannot contain itself."""
        return "/" not in path and path == self.signature.split("?", 1)[0].rpartition("/")[2]


def _demanding(obj: ObjectInfo, file: SignedFile) -> ObjectInfo:
    if file.size is not None and obj.size is not None and obj.size != file.size:
        raise SignatureError(f"{obj.key!r} has {obj.size:,} bytes, and {file.size:,} were signed")
    return replace(obj, checksums={**obj.checksums, file.algorithm: file.digest})


def _refuse(why: str, names: Iterable[str], hint: str | None = None) -> None:
    found = sorted(names)
    if found:
        named = ", ".join(repr(name) for name in found[:_NAMED])
        more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
        raise SignatureError(f"files {why}: {named}{more}", hint=hint)


def _walk(directory: str, manifest: Manifest) -> Iterable[tuple[str, int]]:
    """Relative paths and sizes of all files that are not ignored."""

    def fail(error: OSError) -> None:
        raise error

    for base, directories, files in os.walk(directory, onerror=fail, followlinks=manifest.follows_links):
        start = os.path.relpath(base, directory)
        within = "" if start == "." else f"{start}/"
        # Temporary files of downloads into this directory are no part of the model; elsewhere, there are none.
        directories[:] = [
            name
            for name in directories
            if not manifest.ignores(within + name) and (within or not _has_temporary_files(os.path.join(base, name)))
        ]
        for name in files + [each for each in directories if os.path.islink(os.path.join(base, each))]:
            path = within + name
            if manifest.ignores(path):
                continue
            status = os.stat(os.path.join(base, name), follow_symlinks=manifest.follows_links)
            if stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no regular file"
                raise SignatureError(f"{path!r} is {kind}, which cannot have been signed")
            yield path, status.st_size


def _has_temporary_files(directory: str) -> bool:
    return paths.is_work_directory(os.path.basename(directory)) and not os.path.islink(directory)


def _compare(file_path: str, name: str, file: SignedFile) -> None:
    running = checksums.Running(file.algorithm)
    with open(file_path, "rb", buffering=0) as opened:
        while piece := opened.read(_PIECE):
            running.update(piece)
    if running.digest != file.digest:
        raise SignatureError(f"the bytes of {name!r} are not those that were signed")
