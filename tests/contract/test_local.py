"""The contract for local files, and tests for files only."""

import errno
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sealift.backends.local import LocalBackend
from sealift.contract import Walk
from sealift.errors import (
    AccessDenied,
    IncompleteError,
    LocalIOError,
    ModelMissingError,
    ObjectChanged,
    Skipped,
    UnsafeKey,
)
from sealift.runtime.disk_threads import DiskThreads
from sealift.types import Part
from tests.api.helpers import all_in
from tests.contract.conditional import ConditionalContract
from tests.contract.suite import DATA, MANY, SIZE, Place, keys, read
from tests.contract.writing import WritingContract
from tests.services.s3 import CONTROL_KEYS, ODD_KEYS


@pytest.fixture
def disk() -> Iterator[DiskThreads]:
    disk = DiskThreads()
    yield disk
    disk.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def place(root: Path, disk: DiskThreads) -> Place:
    def put(objects: Mapping[str, bytes], checksum: str | None = None) -> None:
        for key, data in objects.items():
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = root / "fresh"
            fresh.write_bytes(data)
            fresh.replace(path)

    return Place(LocalBackend(str(root), disk), put, lambda key: (root / key).unlink())


class TestLocal(WritingContract, ConditionalContract):
    odd_keys = (*ODD_KEYS, "back\\slash", "new\nline")
    control_keys = CONTROL_KEYS

    @pytest.fixture(autouse=True)
    def only_files_stay(self, place: Place, root: Path) -> Iterator[None]:
        """Check that no test leaves a temporary file."""
        yield
        state = root / ".sealift"
        assert not state.exists() or not list(state.iterdir())

    @pytest.fixture
    def place(self, place: Place) -> Place:
        return place

    @pytest.fixture
    def crowded(self, place: Place) -> Place:
        place.put({f"many/{number:05}": b"x" for number in range(MANY)})
        return place

    async def test_listing_by_a_string(self, place: Place) -> None:
        # Unlike in a bucket, a name cannot be a file and a directory.
        stored = {"foo-2/a", "foo/a", "foo/b/c", "foo/b/d/e", "fo", "bar.bin", "bar/foo/a"}
        place.put(dict.fromkeys(stored, b"x"))
        for prefix in ("", "f", "foo", "foo/", "foo/b", "foo/b/", "foo/b/d/e", "foo-", "bar", "bar/f"):
            assert await keys(place.backend, prefix) == {key for key in stored if key.startswith(prefix)}, prefix


@pytest.mark.anyio
class TestFiles:
    async def test_the_dot_directory_goes_with_the_backend(self, place: Place, root: Path) -> None:
        await place.backend.put("k", memoryview(b"x"))
        upload = await place.backend.open_upload("other", 10)
        await place.backend.aclose()
        assert (root / ".sealift").is_dir()  # the upload is still open
        await upload.abort()
        await place.backend.aclose()
        assert sorted(path.name for path in root.iterdir()) == ["k"]

    async def test_the_dot_directory_is_not_listed(self, place: Place) -> None:
        await place.backend.open_upload("k", 10)
        assert await keys(place.backend, "") == set()

    @pytest.mark.parametrize("key", ["/etc/passwd", "../up", "a/../../up"])
    async def test_keys_stay_below_the_root(self, place: Place, key: str) -> None:
        for call in (
            lambda: place.backend.stat(key),
            lambda: place.backend.put(key, memoryview(b"")),
            lambda: place.backend.open_upload(key, 1),
            lambda: place.backend.delete(key),
            lambda: place.backend.delete_many([key], ""),
            lambda: keys(place.backend, key),
        ):
            with pytest.raises(UnsafeKey, match="would leave"):
                await call()

    async def test_links_are_followed_but_not_in_circles(self, place: Place, root: Path) -> None:
        place.put({"a/model.bin": b"x"})
        (root / "a" / "circle").symlink_to(root)
        (root / "b").symlink_to("a")
        (root / "link.bin").symlink_to(root / "a" / "model.bin")
        (root / "dangling").symlink_to(root / "nowhere")
        skipped: list[Skipped] = []
        found = {obj.key async for obj in place.backend.list("", Walk(on_skip=skipped.append))}
        assert found == {"a/model.bin", "b/model.bin", "link.bin"}
        reasons = {each.key: each.reason for each in skipped}
        assert reasons == {"a/circle": "loop", "b/circle": "loop", "dangling": "broken link"}
        with pytest.raises(LocalIOError, match="a/circle: leads to a directory above it"):
            await keys(place.backend, "")

    async def test_links_are_listed_where_they_are_to_be_removed(self, place: Place, root: Path) -> None:
        place.put({"a/model.bin": b"x", ".sealift/left.part": b"x"})
        (root / "a" / "circle").symlink_to(root)
        (root / "dangling").symlink_to(root / "nowhere")
        os.mkfifo(root / "pipe")
        (root / "void").mkdir()
        found = {obj.key async for obj in place.backend.list("", Walk(follow=False))}
        assert found == {"a/model.bin", "a/circle", "dangling", "pipe", "void/", ".sealift/left.part"}

    async def test_a_directory_that_the_caller_does_not_enter(self, place: Place, root: Path) -> None:
        place.put({"a/b/c": b"x", "ab/c": b"x"})
        (root / "ab" / "loop").symlink_to("..")
        walk = Walk(enter=lambda key: key not in {"ab", "a/b"})
        assert [obj.key async for obj in place.backend.list("", walk)] == []
        assert [obj.key async for obj in place.backend.list("a/", walk)] == ["a/"]

    @pytest.mark.parametrize("seconds", [-1, -(1 << 40), 1 << 43])
    async def test_times_that_cannot_be_told(self, place: Place, root: Path, seconds: int) -> None:
        place.put({"k": DATA})
        try:
            os.utime(root / "k", (seconds, seconds))
        except OverflowError:
            pytest.skip("this system has no such times")
        (listed,) = [obj async for obj in place.backend.list("")]
        assert listed.modified is None or listed.modified.timestamp() == os.stat(root / "k").st_mtime
        assert (await place.backend.stat("k")).modified == listed.modified

    async def test_what_is_no_file(self, place: Place, root: Path) -> None:
        root.mkdir()
        os.mkfifo(root / "pipe")
        with pytest.raises(LocalIOError, match="not a regular file"):
            await place.backend.stat("pipe")
        assert await keys(place.backend, "") == set()

    async def test_a_file_in_the_way(self, place: Place, root: Path) -> None:
        place.put({"a": b"x"})
        with pytest.raises(LocalIOError, match=r"File exists|Not a directory"):
            await place.backend.put("a/b", memoryview(b"x"))
        assert (root / "a").read_bytes() == b"x"

    async def test_a_directory_in_the_way(self, place: Place, root: Path) -> None:
        place.put({"a/b": b"x"})
        with pytest.raises(LocalIOError, match="Is a directory"):
            await place.backend.put("a", memoryview(b"x"))
        assert await keys(place.backend, "") == {"a/b"}
        await place.backend.aclose()
        assert not (root / ".sealift").exists()

    async def test_a_full_disk_is_known_before_the_first_byte(self, place: Place) -> None:
        with pytest.raises(LocalIOError, match=r"needs \d+ bytes, but its disk has only \d+ bytes free"):
            await place.backend.open_upload("k", 1 << 60)
        await place.backend.aclose()

    async def test_a_full_disk_while_writing(self, place: Place, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(LocalIOError, match=r"No space left on device.*free some space"):
            await place.backend.put("k", memoryview(b"x"))
        assert await keys(place.backend, "") == set()
        assert not list((root / ".sealift").iterdir())

    async def test_a_file_that_may_not_be_read(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        place.put({"k": b"x"})
        obj = await place.backend.stat("k")

        def refused(path: str, *_: object) -> int:  # instead of a mode, which does not restrict root
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

        monkeypatch.setattr(os, "open", refused)
        with pytest.raises(AccessDenied, match="no permission to read"):
            await read(place.backend, obj)

    async def test_short_writes_go_on(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda fd, data, start: pwrite(fd, data[:70_000], start))
        await place.backend.put("k", memoryview(DATA))
        assert await read(place.backend, await place.backend.stat("k")) == DATA

    async def test_a_file_that_becomes_shorter(self, place: Place, root: Path) -> None:
        place.put({"k": DATA})
        obj = await place.backend.stat("k")
        os.truncate(root / "k", 10)
        with pytest.raises(ObjectChanged):
            await read(place.backend, obj)

    @pytest.mark.parametrize("error", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
    async def test_copying_where_the_kernel_cannot(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, error: int
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
        place.put({"k": DATA})
        await place.backend.copy(place.backend.location, await place.backend.stat("k"), "copy")
        assert await read(place.backend, await place.backend.stat("copy")) == DATA

    async def test_copying_in_steps(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sealift.backends.local.upload._COPY_STEP", 100_000)
        place.put({"k": DATA})
        stored = await place.backend.copy(place.backend.location, await place.backend.stat("k"), "copy")
        assert stored.size == SIZE
        assert await read(place.backend, await place.backend.stat("copy")) == DATA

    @pytest.mark.parametrize("in_kernel", [True, False])
    async def test_holes_are_copied_as_holes(
        self, place: Place, root: Path, monkeypatch: pytest.MonkeyPatch, in_kernel: bool
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(errno.EXDEV, "Cross-device link")

        if not in_kernel:
            monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
        root.mkdir(exist_ok=True)
        for key, start, size in (("between", 8 << 20, 16 << 20), ("first", 16 << 20, 17 << 20), ("only", 0, 9 << 20)):
            with open(root / key, "wb") as file:
                if key == "between":
                    file.write(DATA)
                file.seek(start)
                file.write(b"" if key == "only" else DATA[:100_000])
                file.truncate(size)
            await place.backend.copy(place.backend.location, await place.backend.stat(key), "copy")
            assert (root / "copy").read_bytes() == (root / key).read_bytes()
            assert (root / "copy").stat().st_blocks * 512 < 4 << 20
            (root / "copy").unlink()

    async def test_copying_from_another_root(self, place: Place, tmp_path: Path, disk: DiskThreads) -> None:
        place.put({"a/k": DATA})
        other = LocalBackend(str(tmp_path / "other"), disk)
        assert other.service == place.backend.service
        await other.copy(place.backend.location, await place.backend.stat("a/k"), "b")
        assert (tmp_path / "other" / "b").read_bytes() == DATA

    async def test_a_large_upload_has_its_size_from_the_start(self, place: Place, root: Path) -> None:
        upload = await place.backend.open_upload("k", 3 << 20)
        (part,) = (root / ".sealift").iterdir()
        assert part.stat().st_size == 3 << 20
        await upload.write_part(Part(0, 0, 4), memoryview(b"part"))
        await upload.abort()
        assert not list((root / ".sealift").iterdir())

    async def test_files_have_the_mode_that_the_umask_says(self, place: Place, root: Path) -> None:
        umask = os.umask(0o027)
        try:
            await place.backend.put("k", memoryview(b"x"))
        finally:
            os.umask(umask)
        assert (root / "k").stat().st_mode & 0o777 == 0o640

    async def test_directories_that_a_deletion_leaves_empty_go_too(self, place: Place, root: Path) -> None:
        place.put(dict.fromkeys(("p/a/b/c", "p/a/b/d", "p/e/f/g", "p/e/h", "p-2/x"), b"x"))
        (root / "p" / "was-empty").mkdir()
        await place.backend.delete_many(["p/a/b/c"], "p/")
        assert (root / "p/a/b/d").exists()
        await place.backend.delete_many(["p/a/b/d", "p/e/f/g"], "p/")
        assert sorted(path.name for path in (root / "p").iterdir()) == ["e", "was-empty"]
        assert sorted(path.name for path in (root / "p/e").iterdir()) == ["h"]
        (root / "p" / "was-empty").rmdir()
        await place.backend.delete_many(["p/e/h"], "p/")
        assert sorted(path.name for path in root.iterdir()) == ["p-2"]

    async def test_no_directory_above_goes(self, place: Place, root: Path) -> None:
        place.put(dict.fromkeys(("a/b/c/d", "k"), b"x"))
        await place.backend.delete_many(["a/b/c/d"], "a/b/")
        assert sorted(path.name for path in (root / "a").iterdir()) == []
        await place.backend.delete_many(["k"], "")
        assert sorted(path.name for path in root.iterdir()) == ["a"]
        place.put({"a/k": b"x"})
        await place.backend.delete_many(["a/k"], "")
        assert list(root.iterdir()) == []

    async def test_a_link_is_deleted_and_not_what_it_names(self, place: Place, root: Path) -> None:
        place.put({"kept": DATA})
        (root / "p").mkdir()
        (root / "p" / "link").symlink_to(root / "kept")
        await place.backend.delete_many(["p/link"], "p/")
        assert sorted(path.name for path in root.iterdir()) == ["kept"]

    async def test_a_directory_is_not_deleted_as_a_file(self, place: Place, root: Path) -> None:
        place.put({"p/a": b"x"})
        with pytest.raises(IncompleteError, match="p: Is a directory"):
            await place.backend.delete_many(["p"], "")
        assert (root / "p/a").exists()

    async def test_what_cannot_be_deleted_does_not_keep_the_rest(self, place: Place, root: Path) -> None:
        place.put({"p/a": b"x", "p/d/b": b"x", "outside/c": b"x"})
        (root / "p" / "link").symlink_to(root / "outside")
        with pytest.raises(IncompleteError) as caught:
            await place.backend.delete_many(["p/a", "p/d", "p/link/c", "p/a/below", "p/gone"], "p/")
        assert {each.key: each.cause for each in caught.value.skipped} == {
            "p/d": "Is a directory",
            "p/link/c": "behind the link link",
        }
        assert all_in(root) == {"p", "p/d", "p/d/b", "p/link", "outside", "outside/c"}

    async def test_a_missing_file_is_named_by_its_path(self, place: Place, root: Path) -> None:
        with pytest.raises(ModelMissingError, match="does not exist") as caught:
            await place.backend.stat("a/missing")
        assert str(root / "a/missing") in str(caught.value)
