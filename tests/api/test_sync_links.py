"""`sync` to a local directory that contains, or is the target of, symbolic links."""

import os
from pathlib import Path

import pytest

from sealift import AsyncStorage, InvalidConfig, ObjectChanged, ServiceError, Synced, UnsafeKey
from tests.api.helpers import all_in, files_in
from tests.api.servers import Asked, FakeS3, Reply, failure
from tests.api.stores import directory

pytestmark = pytest.mark.anyio


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Path, Path]:
    """An empty source and an empty destination."""
    for name in ("source", "to"):
        (tmp_path / name).mkdir()
    return tmp_path / "source", tmp_path / "to"


def link_to_step(to: Path) -> None:
    """Create a directory in the destination, and a link to it as a second name."""
    (to / "step").mkdir(exist_ok=True)
    (to / "latest").symlink_to("step")


@pytest.mark.parametrize(("src", "dest"), [("link/sub", "m"), ("m/sub", "link"), ("link", "m"), ("m", "link/sub/new")])
async def test_a_link_between_source_and_destination(tmp_path: Path, src: str, dest: str) -> None:
    """The destination would receive its own files, and the source would be deleted."""
    directory(tmp_path / "m").put({"a": b"a", "sub/b": b"b"})
    (tmp_path / "link").symlink_to("m")
    with pytest.raises(InvalidConfig, match="overlap"):
        await AsyncStorage().sync(f"{tmp_path}/{src}", f"{tmp_path}/{dest}", delete=True)
    assert files_in(tmp_path / "m") == {"a": b"a", "sub/b": b"b"}


async def test_a_file_that_is_wanted_behind_a_link_stays(ends: tuple[Path, Path]) -> None:
    """The source has it under one name only; the other name refers to the same file."""
    source, to = ends
    directory(source).put({"latest/w": b"new"})
    directory(to).put({"step/w": b"old", "extra": b"x"})
    link_to_step(to)
    for expected in (Synced(1, 0, 1), Synced(0, 1, 0)):
        assert await AsyncStorage().sync(str(source), str(to), delete=True) == expected
        assert (to / "latest" / "w").read_bytes() == b"new"
    assert not (to / "extra").exists()


async def test_a_hard_link_to_a_wanted_file_goes(ends: tuple[Path, Path]) -> None:
    source, to = ends
    directory(source).put({"w": b"w"})
    await AsyncStorage().sync(str(source), str(to))
    os.link(to / "w", to / "extra")
    assert await AsyncStorage().sync(str(source), str(to), delete=True, size_only=True) == Synced(0, 1, 1)
    assert all_in(to) == {"w"}


@pytest.mark.parametrize("changed", ["latest", "step"])
async def test_a_copy_that_would_replace_a_file_that_is_kept(ends: tuple[Path, Path], changed: str) -> None:
    """Two objects cannot share a file, even if only one of them is copied."""
    source, to = ends
    directory(source).put({"latest/w": b"w", "step/w": b"w"})
    directory(to).put({"step/w": b"w"})
    link_to_step(to)
    assert await AsyncStorage().sync(str(source), str(to), checksum=True) == Synced(0, 2, 0)
    directory(source).put({f"{changed}/w": b"W"})
    for _ in range(2):
        # One may be replaced while the other is compared.
        with pytest.raises((UnsafeKey, ObjectChanged), match="land on the same file|changed while it was read"):
            await AsyncStorage().sync(str(source), str(to), checksum=True)


@pytest.mark.parametrize(("changed", "link"), [("a", "b"), ("b", "a")])
async def test_a_link_to_another_file_becomes_a_file(ends: tuple[Path, Path], changed: str, link: str) -> None:
    """Otherwise a change to one would change the other."""
    source, to = ends
    directory(source).put({"a": b"x", "b": b"x", changed: b"X"})
    directory(to).put({changed: b"x"})
    (to / link).symlink_to(changed)
    assert await AsyncStorage().sync(str(source), str(to), checksum=True) == Synced(2, 0, 0)
    assert files_in(to) == files_in(source)


async def test_a_resumed_file_is_not_replaced_under_another_name(tmp_path: Path) -> None:
    """An earlier run finished the file, so this one does not write it."""
    objects = {"m/step/w": b"step", "m/x": b"x"}

    def broken(asked: Asked) -> Reply | None:
        return failure(400, "Broken") if asked.path.endswith("/m/x") and len(objects) == 2 else None

    link_to_step(tmp_path)
    with FakeS3({"b": objects}, instead=broken) as server:
        with pytest.raises(ServiceError):
            await AsyncStorage().download("s3://b/m", tmp_path, config=server.config)
        objects["m/latest/w"] = b"latest"
        with pytest.raises(UnsafeKey, match="land on the same file"):
            await AsyncStorage().download("s3://b/m", tmp_path, config=server.config)
