"""Entries that cannot be copied are reported; everything else is copied, and nothing is deleted because of them."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sealift import AsyncStorage, Event, IncompleteError, ModelMissingError, SkipReason, Synced
from tests.api.helpers import all_in, config_of, files_in
from tests.api.stores import Store, directory, prefix
from tests.services.s3 import MakeBucket, S3Service

pytestmark = pytest.mark.anyio

TREE = {"config.json": b"{}", "deep/weights": b"w"}
Spoil = Callable[[Path, pytest.MonkeyPatch], None]


def _socket(path: Path, _: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        before = Path.cwd()
        os.chdir(path.parent)  # socket paths are limited in length
        try:
            bound.bind(path.name)
        finally:
            os.chdir(before)


def _unreadable_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"secret")
    path.chmod(0)
    access = os.access
    refuse = str(path)  # root can read it anyway
    monkeypatch.setattr(os, "access", lambda there, mode: there != refuse and access(there, mode))


def _unreadable_directory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir()
    (path / "below").write_bytes(b"secret")
    scandir = os.scandir
    refuse = str(path)

    def refusing(there: str) -> object:
        if there == refuse:
            raise PermissionError(13, "Permission denied", there)
        return scandir(there)

    monkeypatch.setattr(os, "scandir", refusing)


def _vanished(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is removed between the directory listing and its stat."""
    path.write_bytes(b"x")
    scandir = os.scandir

    class Listing:
        def __init__(self, there: str) -> None:
            self._there = there
            with scandir(there) as entries:
                self._entries = list(entries)

        def __enter__(self) -> list[os.DirEntry[str]]:
            if self._there == str(path.parent):
                path.unlink(missing_ok=True)
            return self._entries

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Listing)


KINDS: dict[str, tuple[SkipReason, Spoil]] = {
    "link to nothing": ("broken link", lambda path, _: path.symlink_to("nowhere")),
    "link below a file": ("broken link", lambda path, _: path.symlink_to("../config.json/below")),
    "link to itself": ("loop", lambda path, _: path.symlink_to(path.name)),
    "link to a directory above": ("loop", lambda path, _: path.symlink_to("..")),
    "fifo": ("special file", lambda path, _: os.mkfifo(path)),
    "socket": ("special file", _socket),
    "unreadable file": ("unreadable file", _unreadable_file),
    "unreadable directory": ("unreadable directory", _unreadable_directory),
    "file that vanishes": ("vanished", _vanished),
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> tuple[SkipReason, Spoil]:
    return KINDS[request.param]


@pytest.fixture
def source(tmp_path: Path, kind: tuple[SkipReason, Spoil], monkeypatch: pytest.MonkeyPatch) -> Path:
    """`TREE` with one entry that cannot be copied."""
    root = tmp_path / "source"
    directory(root).put(TREE)
    kind[1](root / "deep" / "odd", monkeypatch)
    return root


@pytest.fixture(params=["local", "s3"])
def target(request: pytest.FixtureRequest, moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> Store:
    return directory(tmp_path / "target") if request.param == "local" else prefix(moto, make_bucket(moto), "to")


async def test_everything_else_is_copied(source: Path, target: Store, kind: tuple[SkipReason, Spoil]) -> None:
    events: list[Event] = []
    with pytest.raises(IncompleteError, match="copied everything but: deep/odd: ") as caught:
        await AsyncStorage().copy(
            str(source), target.uri, config=None, dest_config=target.config, on_event=events.append
        )
    (skipped,) = caught.value.skipped
    assert (f"/{skipped.key}", skipped.reason) == (f"{source}/deep/odd", kind[0])
    told = [(event.key, event.reason) for event in events if event.kind == "skipped"]
    assert told == [(skipped.key, skipped.cause)]
    assert target.content() == TREE


async def test_a_sync_removes_nothing(source: Path, target: Store) -> None:
    old = {"deep/odd": b"good", "deep/odd.2": b"x", "extra": b"x"}
    target.put(old)
    with pytest.raises(IncompleteError, match="deep/odd"):
        await AsyncStorage().sync(str(source), target.uri, config=None, dest_config=target.config, delete=True)
    assert target.content() == {**old, **TREE}


async def test_what_is_excluded_is_not_missed(source: Path, target: Store) -> None:
    options = {"ignore_patterns": ["deep/odd", "deep/odd/*"]}
    target.put({"deep/odd/kept": b"good", "extra": b"x"})
    await AsyncStorage().copy(str(source), target.uri, config=None, dest_config=target.config, **options)  # type: ignore[arg-type]
    done = await AsyncStorage().sync(
        str(source),
        target.uri,
        config=None,
        dest_config=target.config,
        delete=True,
        ignore_patterns=options["ignore_patterns"],
    )
    assert done.deleted == 1
    assert target.content() == {**TREE, "deep/odd/kept": b"good"}


@pytest.mark.parametrize("source_kind", ["link to nothing", "link to itself", "link to a directory above"])
async def test_below_a_link_that_leads_nowhere_nothing_is_removed(tmp_path: Path, source_kind: str) -> None:
    """The patterns exclude the link, but its target may have been a directory with matching files."""
    directory(tmp_path / "source").put({"m/a.bin": b"a"})
    KINDS[source_kind][1](tmp_path / "source" / "m" / "latest", pytest.MonkeyPatch())
    directory(tmp_path / "to").put({"m/latest/w.bin": b"good", "m/latest.bin": b"x"})
    done = await AsyncStorage().sync(
        f"{tmp_path}/source", f"{tmp_path}/to", delete=True, allow_patterns="*.bin", ignore_patterns="m/latest"
    )
    assert done == Synced(1, 0, 1)
    assert files_in(tmp_path / "to") == {"m/a.bin": b"a", "m/latest/w.bin": b"good"}


async def test_a_link_that_leads_to_the_destination(tmp_path: Path) -> None:
    """The tree would be copied into itself and grow while it is listed."""
    directory(tmp_path / "source").put(TREE)
    (tmp_path / "to").mkdir()
    (tmp_path / "source" / "up").symlink_to("..")
    with pytest.raises(IncompleteError) as caught:
        await AsyncStorage().copy(f"{tmp_path}/source", f"{tmp_path}/to")
    skipped = {f"/{each.key}".removeprefix(f"{tmp_path}/source/"): each.reason for each in caught.value.skipped}
    assert skipped == {"up/source": "loop", "up/to": "loop"}
    assert files_in(tmp_path / "to") == TREE


async def test_where_nothing_can_be_copied_no_directory_appears(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "weights").symlink_to("nowhere")
    with pytest.raises(IncompleteError, match="weights: link to nowhere, which does not exist"):
        await AsyncStorage().download(str(tmp_path / "source"), tmp_path / "copy")
    assert all_in(tmp_path) == {"source", "source/weights"}


async def test_many_are_counted(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for number in range(5):
        (tmp_path / "source" / str(number)).symlink_to("nowhere")
    with pytest.raises(IncompleteError, match="2: link to nowhere, which does not exist; and 2 more") as caught:
        await AsyncStorage().copy(str(tmp_path / "source"), str(tmp_path / "copy"))
    assert len(caught.value.skipped) == 5


async def test_a_listing_names_them(source: Path, kind: tuple[SkipReason, Spoil]) -> None:
    """A listing fails if it may have missed objects."""
    events: list[Event] = []
    storage = AsyncStorage()
    unknown = kind[0] in {"loop", "unreadable directory"}
    found = []
    try:
        found += [obj.key async for obj in storage.list(str(source), on_event=events.append)]
        assert not unknown
    except IncompleteError as error:
        assert unknown
        assert "could not list everything: deep/odd: " in str(error)
    paths = [f"/{key}".removeprefix(f"{source}/") for key in found if not key.endswith("odd")]
    assert sorted(paths) == sorted(TREE) or unknown
    assert [event.kind for event in events] == ([] if kind[0] == "unreadable file" else ["skipped"])


async def test_a_removal_takes_them_all(source: Path, kind: tuple[SkipReason, Spoil], tmp_path: Path) -> None:
    if kind[0] == "unreadable directory":
        with pytest.raises(IncompleteError, match="could not remove everything: deep/odd: "):
            await AsyncStorage().delete(str(source), recursive=True)
        assert all_in(source) == {"deep", "deep/odd", "deep/odd/below"}
        return
    removed = await AsyncStorage().delete(str(source), recursive=True)
    assert removed == (2 if kind[0] == "vanished" else 3)
    assert all_in(tmp_path) == set()


@pytest.mark.parametrize(
    "kind", [name for name in KINDS if name not in {"unreadable directory", "file that vanishes"}], indirect=True
)
async def test_one_by_itself_is_removed(source: Path) -> None:
    assert await AsyncStorage().delete(f"{source}/deep/odd") == 1
    assert files_in(source) == TREE
    assert not os.path.lexists(source / "deep" / "odd")


@pytest.mark.parametrize("odd", ["link to nothing", "link to itself", "link to a directory above", "fifo", "socket"])
async def test_a_sync_removes_those_of_its_destination(tmp_path: Path, odd: str) -> None:
    directory(tmp_path / "source").put(TREE)
    target = tmp_path / "target"
    directory(target).put({"deep/weights": b"w", "old/x": b"x"})
    (target / "void" / "void").mkdir(parents=True)
    KINDS[odd][1](target / "deep" / "odd", pytest.MonkeyPatch())
    KINDS[odd][1](target / "kept.bin", pytest.MonkeyPatch())
    events: list[Event] = []
    await AsyncStorage().sync(f"{tmp_path}/source", str(target), delete=True, ignore_patterns="kept*", dry_run=True)
    done = await AsyncStorage().sync(
        f"{tmp_path}/source", str(target), delete=True, ignore_patterns="kept*", on_event=events.append
    )
    assert done.deleted == 3
    gone = {f"/{event.key}".removeprefix(f"{target}/") for event in events if event.kind == "deleted"}
    assert gone == {"deep/odd", "old/x", "void/void/"}
    assert all_in(target) == {"config.json", "deep", "deep/weights", "kept.bin"}


async def test_a_directory_of_the_destination_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory(tmp_path / "source").put(TREE)
    directory(tmp_path / "to").put({"extra": b"x"})
    _unreadable_directory(tmp_path / "to" / "closed", monkeypatch)
    with pytest.raises(IncompleteError, match="could not remove everything: closed: cannot read the directory"):
        await AsyncStorage().sync(f"{tmp_path}/source", f"{tmp_path}/to", delete=True)
    assert files_in(tmp_path / "to") == {**TREE, "closed/below": b"secret"}


async def test_empty_directories_on_a_disk(tmp_path: Path) -> None:
    (tmp_path / "source" / "void" / "void").mkdir(parents=True)
    for _ in range(2):
        await AsyncStorage().sync(f"{tmp_path}/source", f"{tmp_path}/to", delete=True)
        assert all_in(tmp_path / "to") == {"void", "void/void"}
        directory(tmp_path / "to").put({"void/void/extra": b"x"})
    await AsyncStorage().copy(f"{tmp_path}/source", f"{tmp_path}/copy")
    assert all_in(tmp_path / "copy") == {"void", "void/void"}


async def test_directories_that_become_empty_stay_with_their_modes(tmp_path: Path) -> None:
    """Directories that exist in the source, and the destination itself."""
    (tmp_path / "source" / "void").mkdir(parents=True)
    target = tmp_path / "to"
    directory(target).put({"void/extra": b"x", "old/deep/extra": b"x"})
    for path in (target, target / "void"):
        path.chmod(0o700)
    before = [(path.stat().st_ino, path.stat().st_mode) for path in (target, target / "void")]
    assert (await AsyncStorage().sync(f"{tmp_path}/source", str(target), delete=True)).deleted == 2
    assert all_in(target) == {"void"}
    assert [(path.stat().st_ino, path.stat().st_mode) for path in (target, target / "void")] == before
    (tmp_path / "source" / "void").rmdir()
    assert (await AsyncStorage().sync(f"{tmp_path}/source", str(target), delete=True)).deleted == 1
    assert all_in(target) == set()
    assert (target.stat().st_ino, target.stat().st_mode) == before[0]


async def test_empty_directories_are_named_where_there_are_none(
    moto: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    directory(tmp_path).put(TREE)
    (tmp_path / "void").mkdir()
    target = prefix(moto, make_bucket(moto), "to")
    events: list[Event] = []
    await AsyncStorage().upload(tmp_path, target.uri, config=target.config, on_event=events.append)
    assert target.content() == TREE
    skipped = [(event.key, event.reason) for event in events if event.kind == "skipped"]
    assert skipped == [(f"{tmp_path}/void/"[1:], "empty directory, which object stores do not have")]


class TestEmptyIsNotMissing:
    """A bucket or directory that exists but is empty."""

    @pytest.fixture(params=["local", "moto", "seaweedfs"])
    def place(self, request: pytest.FixtureRequest, make_bucket: MakeBucket, tmp_path: Path) -> tuple[str, object]:
        if request.param == "local":
            (tmp_path / "empty").mkdir()
            return str(tmp_path / "empty"), None
        service = request.getfixturevalue(request.param)
        return f"s3://{make_bucket(service)}/", config_of(service)

    async def test_reading(self, place: tuple[str, object], tmp_path: Path) -> None:
        uri, config = place
        storage = AsyncStorage()
        assert await storage.list_objects(uri, config=config) == []  # type: ignore[arg-type]
        assert (await storage.get_object_metadata(uri, config=config))["type"] == "prefix"  # type: ignore[arg-type]

    async def test_removing(self, place: tuple[str, object]) -> None:
        uri, config = place
        assert await AsyncStorage().delete(uri, config=config, recursive=True) == 0  # type: ignore[arg-type]

    async def test_syncing(self, place: tuple[str, object], tmp_path: Path) -> None:
        """An empty source may be a volume that is not mounted: nothing is deleted."""
        uri, config = place
        directory(tmp_path / "to").put({"a": b"a"})
        assert await AsyncStorage().sync(uri, f"{tmp_path}/to", config=config) == Synced(0, 0, 0)  # type: ignore[arg-type]
        with pytest.raises(ModelMissingError, match="the source is empty"):
            await AsyncStorage().sync(uri, f"{tmp_path}/to", config=config, delete=True)  # type: ignore[arg-type]
        assert os.listdir(tmp_path / "to") == ["a"]
        (tmp_path / "to" / "a").unlink()
        done = await AsyncStorage().sync(uri, f"{tmp_path}/to", config=config, delete=True)  # type: ignore[arg-type]
        assert done == Synced(0, 0, 0)

    async def test_downloading(self, place: tuple[str, object], tmp_path: Path) -> None:
        """An empty bucket is not a model; an empty directory can be copied."""
        uri, config = place
        storage = AsyncStorage()
        if config is None:
            assert await storage.download(uri, tmp_path / "copy") == str(tmp_path / "copy")
            assert os.listdir(tmp_path / "copy") == []
            return
        with pytest.raises(ModelMissingError, match="it is empty"):
            await storage.download(uri, tmp_path / "copy", config=config)  # type: ignore[arg-type]
        assert not (tmp_path / "copy").exists()

    async def test_an_empty_directory_is_no_upload(
        self, moto: S3Service, make_bucket: MakeBucket, tmp_path: Path
    ) -> None:
        with pytest.raises(ModelMissingError, match="is empty: there is nothing to copy"):
            await AsyncStorage().upload(tmp_path, f"s3://{make_bucket(moto)}/m", config=config_of(moto))
