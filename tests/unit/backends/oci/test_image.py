"""Layers with many links, or with long ones, stop nothing else, and can be interrupted."""

import asyncio

import pytest

from sealift.backends.oci.file_tree import FileTree
from sealift.backends.oci.image import Image
from sealift.backends.oci.layer_index import _Reading
from sealift.backends.oci.manifest import Blob, Layer, Manifest
from sealift.backends.oci.tar_scanner import Entry
from sealift.contract import Walk
from sealift.errors import ArchiveError, Skipped, TransportError
from tests.services.registry import gzipped, tar_of

BLOB = Blob(f"sha256:{'0' * 64}", 1000)
LINKS = [Entry(f"link-{number}", "symbolic link", link=f"link-{number + 1}") for number in range(50)]
FILES = [Entry(f"link-{len(LINKS)}", "file", size=1, sha256="0" * 64), Entry("broken", "symbolic link", link="gone")]


def tree_of(entries: list[Entry]) -> FileTree:
    tree = FileTree()
    tree.add_archive(entries, BLOB, compressed=False, whiteouts=False)
    return tree


@pytest.mark.anyio
async def test_other_tasks_run_while_links_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.backends.oci.image._PAUSE", -1.0)
    image = Image(tree_of([*LINKS, *FILES]), (), Manifest("sha256:0", (Layer(BLOB, "archive"),), True))
    turns, skipped = 0, list[Skipped]()

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    found = await image.list("", Walk(on_skip=skipped.append))
    task.cancel()
    # Of a chain of 50 links, those that begin it lead too far.
    assert len(found) + len(skipped) == len(LINKS) + len(FILES)
    assert {each.reason for each in skipped} == {"loop", "broken link"}
    assert turns >= len(LINKS)


def test_merging_layers_can_be_interrupted() -> None:
    tree = FileTree(lambda: True)
    with pytest.raises(TransportError, match="interrupted"):
        tree.add_archive(FILES, BLOB, compressed=False, whiteouts=False)


@pytest.mark.parametrize("layer", [tar_of({"a": b"x"}), gzipped(tar_of({"a": b"x"}))], ids=["plain", "compressed"])
def test_listing_a_layer_can_be_interrupted(layer: bytes) -> None:
    reading = _Reading(Layer(BLOB, "archive"))
    reading.stop()
    with pytest.raises(TransportError, match="interrupted"):
        reading.feed(memoryview(layer))


def test_a_link_to_a_path_that_is_too_long() -> None:
    with pytest.raises(ArchiveError, match="'l' is a link to a path that is too long"):
        tree_of([Entry("l", "symbolic link", link="a/" * 2049)])
