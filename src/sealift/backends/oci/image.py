"""The files of one image or artifact, from its manifest and layers."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from operator import itemgetter

from ...contract import Walk
from ...errors import ArchiveError, ModelMissingError, Skipped, first_of
from ...runtime.shielded import cancelled_once
from ...types import ObjectInfo
from ...types.properties import NO_PROPERTIES
from .file_tree import Directory, File, FileTree, Link, Node, Special
from .layer_index import LayerIndex, LayerIndexes
from .manifest import Layer, Manifest
from .registry import Registry

__all__ = ["Image", "ImageReader"]

# Where images that carry a model have it: https://kserve.github.io/website/docs/model-serving/storage/providers/oci
_MODELS = "models"
_NAMES_QUOTED = 10
# Links to directories can multiply the files of an image without end.
_MAX_LISTED, _MAX_DEPTH, _MAX_LINKS = 1_000_000, 200, 100_000
# Seconds that a listing may take before other tasks run.
_PAUSE = 0.005


class ImageReader:
    """Reads the manifest and the lists of files of an image, once.

    Args:
        registry: Sends the requests.
        indexes: Lists layers.
        platform: The platform, as in `OCIConfig`.
    """

    def __init__(self, registry: Registry, indexes: LayerIndexes, platform: str | None) -> None:
        self.registry = registry
        self._indexes = indexes
        self._platform = platform
        self._image: Image | None = None
        self._lock = asyncio.Lock()

    async def image(self) -> "Image":
        """Return the image.

        Raises:
            StorageError: It does not exist, has no files, or the registry returned an error.
        """
        async with self._lock:
            if self._image is None:
                self._image = await self._read()
        return self._image

    async def _read(self) -> "Image":
        manifest = await self.registry.manifest(self._platform)
        archives = [layer for layer in manifest.layers if layer.kind != "file"]
        indexes = dict(zip(archives, await cancelled_once(self._list(archives)), strict=True))
        stopped = threading.Event()
        merge = partial(_merged, manifest, indexes, stopped.is_set)
        tree = await self.registry.instance.disk.run(merge, interrupt=stopped.set)
        return Image(tree, self._top(tree, manifest), manifest)

    async def _list(self, layers: list[Layer]) -> list[LayerIndex]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._indexes.of(self.registry, layer)) for layer in layers]
        except BaseExceptionGroup as failures:
            raise first_of(failures) from None
        return [task.result() for task in tasks]

    def _top(self, tree: FileTree, manifest: Manifest) -> tuple[str, ...]:
        """The path of the directory of the model: in an image, or the root of an artifact."""
        uri = str(self.registry.location)
        if not manifest.layers:
            raise ModelMissingError(uri, cause="the image or artifact has no layers with files")
        if manifest.is_artifact:
            return ()
        if not isinstance(tree.find((_MODELS,)).node, Directory):
            names = ", ".join(sorted(tree.root.children)[:_NAMES_QUOTED]) or "nothing"
            raise ModelMissingError(
                uri, cause=f"the image has no directory /{_MODELS}, only: {names}", hint=f"copy the model to /{_MODELS}"
            )
        return (_MODELS,)


def _merged(manifest: Manifest, indexes: Mapping[Layer, LayerIndex], stopped: Callable[[], bool]) -> FileTree:
    """Merge the layers."""
    tree = FileTree(stopped)
    for layer in manifest.layers:
        if layer.kind == "file":
            tree.add_file(layer.path, File(layer.blob, 0, layer.blob.size, layer.blob.sha256, layer.modified))
        else:
            index = indexes[layer]
            tree.add_archive(index.entries, layer.blob, compressed=index.compressed, whiteouts=layer.kind == "image")
    return tree


class Image:
    """The files of an image or artifact, by key.

    Args:
        tree: The merged layers.
        path: The names on the way to the directory that holds the files.
        manifest: The manifest.

    Attributes:
        digest: Digest of the manifest, which is the version of all files.
    """

    def __init__(self, tree: FileTree, path: tuple[str, ...], manifest: Manifest) -> None:
        self.digest = manifest.digest
        self._tree = tree
        self._path = path
        self._order = {layer.blob: number for number, layer in enumerate(manifest.layers)}

    def file(self, key: str) -> File:
        """Return the file of a key.

        Raises:
            ModelMissingError: There is none.
        """
        names = key.split("/")
        node = None if {"", ".", ".."} & set(names) else self._tree.find((*self._path, *names)).node
        if not isinstance(node, File):
            what = "is a directory" if isinstance(node, Directory) else "does not exist in the image"
            raise ModelMissingError(key, cause=f"{key!r} {what}")
        return node

    def info(self, key: str, file: File) -> ObjectInfo:
        """Describe a file."""
        return ObjectInfo(
            key,
            file.size,
            self.digest,
            file.modified,
            checksums={"sha256": file.sha256},
            properties=NO_PROPERTIES,
            ranged=not file.compressed,
        )

    async def list(self, prefix: str, walk: Walk) -> Sequence[ObjectInfo]:
        """List the files whose keys start with a prefix, and empty directories.

        They are in the order of the layers, so that each compressed layer is decompressed once to read all of them.
        Other tasks run meanwhile, because an image may have many links that lead from one to the next.

        Raises:
            ArchiveError: There are too many, because of links to directories.
        """
        top = self._tree.find(self._path).node
        found: list[tuple[int, int, ObjectInfo]] = []
        links = count()
        pause = time.monotonic() + _PAUSE
        for key, file in self._list(top, "", (top,), prefix, walk, links) if isinstance(top, Directory) else ():
            if time.monotonic() > pause:
                await asyncio.sleep(0)
                pause = time.monotonic() + _PAUSE
            if isinstance(file, Link):
                continue
            if file is None:
                found.append((0, 0, ObjectInfo(key, 0, self.digest, properties=NO_PROPERTIES)))
            else:
                found.append((self._order[file.blob], file.offset, self.info(key, file)))
            if len(found) > _MAX_LISTED:
                raise ArchiveError(f"the image has more than {_MAX_LISTED:,} files")
        found.sort(key=itemgetter(0, 1))
        return [obj for _, _, obj in found]

    def _list(
        self,
        directory: Directory,
        below: str,
        above: tuple[Directory, ...],
        prefix: str,
        walk: Walk,
        links: "count[int]",
    ) -> Iterator[tuple[str, File | Link | None]]:
        """The keys of files with the files, those of empty directories with None, and links before they are followed.

        `links` counts the links.
        """
        if len(above) > _MAX_DEPTH:
            raise ArchiveError(f"the image has more than {_MAX_DEPTH} levels of directories")
        if not directory.children and below and below.startswith(prefix):
            yield below, None
        for name, child in sorted(directory.children.items(), key=itemgetter(0)):
            if isinstance(child, Link) and next(links) >= _MAX_LINKS:
                raise ArchiveError(f"the image has more than {_MAX_LINKS:,} links, or links to directories with links")
            key = below + name
            if isinstance(child, Link):
                yield key, child
            node = self._followed(key, child, walk)
            if isinstance(node, File) and key.startswith(prefix):
                yield key, node
            elif isinstance(node, Directory) and _overlaps(f"{key}/", prefix):
                if node in above:
                    _skip(walk, Skipped(key, "loop", "leads to a directory above it"))
                elif walk.enter is None or walk.enter(key):
                    yield from self._list(node, f"{key}/", (*above, node), prefix, walk, links)
            elif isinstance(node, Special) and key.startswith(prefix):
                _skip(walk, Skipped(key, "special file", f"{node.kind}, not a regular file"))

    def _followed(self, key: str, node: Node, walk: Walk) -> Node | None:
        """What a link leads to; None: it is skipped."""
        if not isinstance(node, Link):
            return node
        if not walk.links:
            _skip(walk, Skipped(key, "symbolic link", "symbolic link, not followed"))
            return None
        found = self._tree.find((*self._path, *key.split("/")))
        if found.loops:
            _skip(walk, Skipped(key, "loop", f"link to {node.target}, which leads back to itself"))
        elif found.node is None:
            _skip(walk, Skipped(key, "broken link", f"link to {node.target}, which does not exist"))
        return found.node


def _overlaps(directory: str, prefix: str) -> bool:
    """Whether keys in a directory may start with a prefix."""
    return directory.startswith(prefix) or prefix.startswith(directory)


def _skip(walk: Walk, skipped: Skipped) -> None:
    """Report a skipped entry; a loop is an error if nobody receives the report."""
    if walk.on_skip is not None:
        walk.on_skip(skipped)
    elif skipped.reason == "loop":
        raise ArchiveError(f"the image's entry {skipped.key!r}: {skipped.cause}")
