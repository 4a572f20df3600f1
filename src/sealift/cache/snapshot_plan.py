"""What a download will put into the cache: the selected objects, and the snapshot that they make."""

import hashlib
import os
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass
from ..integrity.content import content_id
from ..keys import paths
from ..operations.call_options import CallOptions
from ..operations.open_location import OpenLocation
from ..operations.resolve import Prefix, resolve
from ..operations.selection import Selection
from ..operations.skip_report import SkipReport
from ..types import ObjectInfo

if TYPE_CHECKING:
    from .blobs import Blobs
    from .directory import CacheDirectory

__all__ = ["SnapshotPlan", "make_plan", "source_of"]


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """The content of a snapshot.

    Attributes:
        snapshot: Its ID: a hash of the source, and of the paths, contents and sizes of its files. A random one if an
            object has no version, so that nothing can tell whether it has changed.
        files: The objects, and their paths in the snapshot.
        directories: Paths of the empty directories.
        name: For one object: the path of its file. "": a directory.
        archive: The object is an archive, which is unpacked into the snapshot.
        report: Objects that cannot be copied.
        versioned: Whether all objects have a version.
    """

    snapshot: str
    files: tuple[tuple[ObjectInfo, str], ...]
    directories: tuple[str, ...]
    name: str
    archive: bool
    report: SkipReport
    versioned: bool = True

    @property
    def size(self) -> int:
        """Bytes of the objects, as far as their sizes are known."""
        return sum(obj.size or 0 for obj, _ in self.files)

    def blobs(self, cache: "CacheDirectory", source: OpenLocation, options: CallOptions) -> "Blobs":
        """The blobs of the source."""
        from .blobs import Blobs  # noqa: PLC0415 - not needed for a hit

        return Blobs(cache, source.location.scheme, source_of(source, options), shared=options.verify is not False)


def source_of(source: OpenLocation, options: CallOptions) -> str:
    """Identifies the bucket, container, repository or server of a location, and how its objects are verified."""
    location = source.location
    root = source.backend.address or f"{location.scheme}://{location.root}"
    query = location.query if location.scheme in {"http", "https"} else ""  # elsewhere, it is only a signature
    return f"{root}\0{query}\0{options.verify}"


async def make_plan(source: OpenLocation, options: CallOptions) -> SnapshotPlan:
    """List or stat what a URI names.

    Args:
        source: Object or prefix.
        options: Options of the call.

    Raises:
        ModelMissingError: There is no such object or prefix, or the patterns exclude everything.
    """
    location = source.location
    report = options.skip_report(location.key)
    found = await resolve(source.backend, location.key, source.instance.retry, report.walk)
    if isinstance(found, Prefix):
        if options.unpack_limits is not None:
            await found.objects.aclose()
            raise InvalidConfig(f"{found.key!r} is a prefix, not an archive", hint="name the object to unpack")
        async with aclosing(found.objects):
            return await _plan_directory(source, found, options, report)
    if options.unpack_limits is not None:
        facts = ("unpack", options.unpack_limits, options.patterns)
        snapshot, versioned = _identify(source, options, [(found, "")], *facts)
        return SnapshotPlan(snapshot, ((found, ""),), (), "", True, report, versioned)
    name = location.name if found.name is None else found.name
    options.check_object(location.key, name)
    if not name:
        raise InvalidConfig("the URL contains no file name", hint="pass the path of the file as destination")
    path = paths.relative(name)
    snapshot, versioned = _identify(source, options, [(found, path)], "object")
    return SnapshotPlan(snapshot, ((found, path),), (), path, False, report, versioned)


async def _plan_directory(
    source: OpenLocation, prefix: Prefix, options: CallOptions, report: SkipReport
) -> SnapshotPlan:
    tree = paths.Tree()
    selection = Selection(prefix, options, report)

    def path_of(obj: ObjectInfo) -> str:
        path = paths.relative(obj.key, prefix.key)
        tree.add(path, obj.key)
        return path

    files, directories = list[tuple[ObjectInfo, str]](), list[str]()
    async for obj, path in selection.objects(path_of):
        if path:
            files.append((obj, path))
        elif obj.key != prefix.key:
            directories.append(paths.relative(obj.key.rstrip("/"), prefix.key))
    selection.check()
    files.sort(key=lambda each: each[1])
    snapshot, versioned = _identify(source, options, files, "directory", *sorted(directories))
    return SnapshotPlan(snapshot, tuple(files), tuple(directories), "", False, report, versioned)


def _identify(
    source: OpenLocation, options: CallOptions, files: list[tuple[ObjectInfo, str]], *facts: object
) -> tuple[str, bool]:
    """The ID of a snapshot, and whether all objects have a version."""
    digest = hashlib.blake2b(digest_size=16)

    def add(*values: object) -> None:
        text = "\0".join(map(str, values)) + "\n"
        digest.update(text.encode(errors="backslashreplace"))

    add(source_of(source, options), *facts)
    for obj, path in files:
        content = content_id(source.location.scheme, obj)
        if content is None:
            return os.urandom(16).hex(), False
        add(path, content, obj.key if content == obj.version else "", obj.size)
    return digest.hexdigest(), True
