"""Unpacking archives: the unpacked files, the rejected entries, and the detection of damage."""

import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealift.archives import unpack as archive
from sealift.archives.zip_stream import ZipStream
from sealift.errors import (
    ArchiveError,
    InvalidConfig,
    ModelMissingError,
    StorageError,
    UnsafeKey,
    UnsupportedOperation,
)
from sealift.types import MiB, Unpack

TREE = {
    "config.json": b"{}",
    "deep/er/weights.bin": random.Random(0).randbytes(3 * MiB + 7),
    "empty": b"",
    "ünï/コ.bin": b"u",
    ".hidden": b"h",
    "x" * 120 + "/" + "y" * 200: b"a name that needs an extended header",
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "tar": lambda data: data,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def tar(files: Iterable[tuple[tarfile.TarInfo | str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=form) as archive:
        for name, data in files:
            info = entry(name, size=len(data)) if isinstance(name, str) else name
            archive.addfile(info, io.BytesIO(data))
    return body.getvalue()


def zipped(files: Iterable[tuple[zipfile.ZipInfo | str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for info, data in files:
            archive.writestr(info, data)
    return body.getvalue()


_DEFAULT = Unpack()


class Packed:
    """An archive in memory."""

    def __init__(self, data: bytes) -> None:
        self.reader: io.BufferedReader = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type] # at run time it is one
        self.data = data

    @property
    def size(self) -> int:
        return len(self.data)

    @contextmanager
    def random_access(self) -> Iterator[ZipStream]:
        yield ZipStream(self.reader, self.size, lambda start, length: self.data[start : start + length])


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Unpack an archive and return path → content. Nothing is written outside the target, even after a failure."""

    def unpack(data: bytes, let: Callable[[str], bool] = lambda _: True, bounds: Unpack = _DEFAULT) -> dict[str, bytes]:
        target = tmp_path / "target"
        try:
            for _ in archive.unpack(Packed(data), str(target), let, bounds):
                pass
        finally:
            assert {path.name for path in tmp_path.iterdir()} <= {"target"}
            assert not [path for path in target.rglob("*") if path.is_symlink()]
        return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}

    return unpack


Extract = Callable[..., dict[str, bytes]]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_tar(unpack: Extract, compression: str, form: int) -> None:
    assert unpack(COMPRESSIONS[compression](tar(TREE.items(), form))) == TREE


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(unpack: Extract, method: int) -> None:
    assert unpack(zipped(TREE.items(), method)) == TREE


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zst"])
def test_compressed_streams_that_follow_one_another(unpack: Extract, compression: str) -> None:
    whole, compress = tar(TREE.items()), COMPRESSIONS[compression]
    assert unpack(compress(whole[:MiB]) + compress(whole[MiB:])) == TREE


def test_xz_streams_may_be_padded(unpack: Extract) -> None:
    whole = tar(TREE.items())
    assert unpack(lzma.compress(whole[:MiB]) + bytes(8) + lzma.compress(whole[MiB:]) + bytes(4)) == TREE


def test_directories(unpack: Extract, tmp_path: Path) -> None:
    top = [(entry(name, tarfile.DIRTYPE), b"") for name in ("./", "./a", "./void/", "./a/b")]
    assert unpack(tar([*top, ("./a/b/file", b"x")])) == {"a/b/file": b"x"}
    assert (tmp_path / "target/void").is_dir()


def test_directories_of_a_zip(unpack: Extract, tmp_path: Path) -> None:
    assert unpack(zipped([("void/", b""), ("a/b", b"x")])) == {"a/b": b"x"}
    assert (tmp_path / "target/void").is_dir()


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
def test_an_empty_archive_is_an_empty_directory(unpack: Extract, tmp_path: Path, pack: Callable[..., bytes]) -> None:
    assert unpack(pack([])) == {}
    assert (tmp_path / "target").is_dir()


def test_the_modes_and_owners_of_an_archive_do_not_count(unpack: Extract, tmp_path: Path) -> None:
    info = entry("file", size=1)
    info.mode, info.uid = 0o7777, 12345
    umask = os.umask(0o027)
    try:
        unpack(tar([(info, b"x")]))
    finally:
        os.umask(umask)
    status = (tmp_path / "target/file").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o640, os.geteuid())


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
def test_patterns(unpack: Extract, pack: Callable[..., bytes]) -> None:
    packed = pack(TREE.items())
    assert unpack(packed, lambda path: path.endswith(".bin")).keys() == {"deep/er/weights.bin", "ünï/コ.bin"}


def test_patterns_that_let_nothing_through(unpack: Extract) -> None:
    with pytest.raises(ModelMissingError, match=f"none of the archive.s {len(TREE)} entries"):
        unpack(tar(TREE.items()), lambda _: False)


LEAVING = ["/etc/passwd", "../up", "a/../../up", "..", "a/..", "//twice"]


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
@pytest.mark.parametrize("name", [*LEAVING, "back\\slash", ".sealift/x", "a/" + "n" * 256, "a\\..\\b"])
def test_names_that_are_no_path_below_the_target(unpack: Extract, pack: Callable[..., bytes], name: str) -> None:
    with pytest.raises(UnsafeKey) as caught:
        unpack(pack([("first", b"x"), (name, b"bad")]))
    assert repr(name) in str(caught.value)


def test_refused_names_are_refused_whatever_the_patterns_say(unpack: Extract) -> None:
    with pytest.raises(UnsafeKey, match="outside the target directory"):
        unpack(tar([("a", b"x"), ("../up", b"bad")]), lambda path: path == "a")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (b"Z", "not a regular file"),
    ],
)
def test_what_is_neither_a_file_nor_a_directory(unpack: Extract, kind: bytes, told: str) -> None:
    with pytest.raises(UnsafeKey, match=f"'odd' is {told}"):
        unpack(tar([("file", b"x"), (entry("odd", kind, link="file"), b"")]))


def test_a_link_is_no_way_out(unpack: Extract, tmp_path: Path) -> None:
    """A symbolic link out of the target and a file below the link, which used to write files anywhere."""
    with pytest.raises(UnsafeKey, match="'out' is a symbolic link"):
        unpack(tar([(entry("out", tarfile.SYMTYPE, link=str(tmp_path)), b""), ("out/evil", b"bad")]))


def test_a_link_in_a_zip(unpack: Extract) -> None:
    info = zipfile.ZipInfo("out")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(UnsafeKey, match="'out' is a symbolic link"):
        unpack(zipped([(info, b"/etc")]))


def test_sparse_files_are_refused(unpack: Extract) -> None:
    info = entry("sparse", size=0)
    info.pax_headers = {"GNU.sparse.map": "0,0,1000,0", "GNU.sparse.size": "1000"}
    with pytest.raises(UnsafeKey, match="'sparse' is a sparse file"):
        unpack(tar([(info, b"")]))


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
@pytest.mark.parametrize("names", [("a", "./a"), ("a", "a/b"), ("a/b", "a"), ("a/b", "a//b")])
def test_names_in_each_others_way(unpack: Extract, pack: Callable[..., bytes], names: tuple[str, str]) -> None:
    with pytest.raises(UnsafeKey, match="in the archive"):
        unpack(pack([(name, b"x") for name in names]))


def test_a_directory_in_place_of_a_file(unpack: Extract) -> None:
    with pytest.raises(UnsafeKey, match="'a' has the same path as another entry"):
        unpack(tar([("a", b"x"), (entry("a", tarfile.DIRTYPE), b"")]))


def test_a_file_at_the_top(unpack: Extract) -> None:
    with pytest.raises(UnsafeKey, match="root entry is a file"):
        unpack(tar([(".", b"x")]))


@pytest.mark.parametrize(
    "data", [b"", b"x", b"{}" * 1000, random.Random(1).randbytes(100_000), b"PK\x03\x04" + b"x" * 99]
)
def test_what_is_no_archive(unpack: Extract, data: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"not an archive|damaged"):
        unpack(data)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zst"])
def test_compressed_but_no_tar(unpack: Extract, compression: str) -> None:
    with pytest.raises(ArchiveError, match="compressed, but not a tar archive"):
        unpack(COMPRESSIONS[compression](b"weights" * 1000))


class TestBounds:
    @pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
    def test_entries(self, unpack: Extract, pack: Callable[..., bytes]) -> None:
        assert len(unpack(pack([(f"{number}", b"x") for number in range(3)]), bounds=Unpack(entries=3))) == 3

    @pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
    def test_too_many_entries(self, unpack: Extract, pack: Callable[..., bytes]) -> None:
        with pytest.raises(ArchiveError, match="more than 3 entries"):
            unpack(pack([(f"{number}", b"x") for number in range(4)]), bounds=Unpack(entries=3))

    @pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
    def test_bytes(self, unpack: Extract, pack: Callable[..., bytes]) -> None:
        with pytest.raises(ArchiveError, match="more than 100,000 bytes"):
            unpack(pack([("a", bytes(60_000)), ("b", bytes(60_000))]), bounds=Unpack(size=100_000))

    def test_a_caller_may_let_more_through(self, unpack: Extract, tmp_path: Path) -> None:
        packed = zipped([("zeros", bytes(80 * MiB))])
        with pytest.raises(ArchiveError, match=r"more than 200 times its size .*unpack=Unpack"):
            unpack(packed)
        shutil.rmtree(tmp_path / "target")
        assert len(unpack(packed, bounds=Unpack(ratio=2000))["zeros"]) == 80 * MiB

    @pytest.mark.parametrize("bound", ["entries", "size", "ratio"])
    def test_bounds_are_positive(self, bound: str) -> None:
        for value in (0, -1, float("nan")):
            with pytest.raises(InvalidConfig, match=f"Unpack.{bound}={value}. is not positive"):
                Unpack(**{bound: value})

    @pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zst"])
    def test_a_bomb(self, unpack: Extract, tmp_path: Path, compression: str) -> None:
        bomb = COMPRESSIONS[compression](tar([(f"{number}", bytes(16 * MiB)) for number in range(6)]))
        with pytest.raises(ArchiveError, match="more than 200 times"):
            unpack(bomb)

    def test_a_zip_bomb_is_known_before_the_first_byte(self, unpack: Extract, tmp_path: Path) -> None:
        with pytest.raises(ArchiveError, match="more than 200 times"):
            unpack(zipped((f"{number}", bytes(16 * MiB)) for number in range(6)))
        assert not list((tmp_path / "target").iterdir())

    def test_a_zip_that_says_too_little(self, unpack: Extract) -> None:
        """No more of an entry is read than its header claims, so its checksum does not match."""
        whole = zipped([("a", bytes(100_000))])
        with pytest.raises(ArchiveError, match="damaged"):
            unpack(whole.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))

    def test_small_archives_may_expand_as_they_like(self, unpack: Extract) -> None:
        assert unpack(gzip.compress(tar([("zeros", bytes(10 * MiB))]))) == {"zeros": bytes(10 * MiB)}

    def test_a_file_that_is_larger_than_the_archive(self, unpack: Extract, tmp_path: Path) -> None:
        info = entry("huge", size=1 << 50)
        with pytest.raises(ArchiveError, match="expands to more than"):
            unpack(info.tobuf())
        assert not list((tmp_path / "target").iterdir())

    @pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
    def test_a_header_that_is_read_as_a_whole(self, unpack: Extract, kind: bytes) -> None:
        header = entry("header", kind, size=2 * MiB).tobuf(tarfile.GNU_FORMAT)
        with pytest.raises(ArchiveError, match="a header of"):
            unpack(gzip.compress(header + bytes(2 * MiB) + tar([("a", b"x")])))

    def test_a_zip_directory_that_is_read_as_a_whole(self, unpack: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sealift.archives.zip_archive._MAX_DIRECTORY", 1000)
        with pytest.raises(ArchiveError, match="a central directory of"):
            unpack(zipped((f"{number}", b"x") for number in range(100)), bounds=Unpack(entries=5))

    def test_xz_that_asks_for_memory(self, unpack: Extract) -> None:
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
        with pytest.raises(ArchiveError, match="emory"):
            unpack(lzma.compress(tar([("a", b"x")]), filters=filters))

    def test_zip_methods_without_a_bound_on_memory(self, unpack: Extract) -> None:
        with pytest.raises(UnsupportedOperation, match="method 12"):
            unpack(zipped([("a", b"x" * 1000)], zipfile.ZIP_BZIP2))

    def test_a_step_is_small(self, tmp_path: Path) -> None:
        """A call can be cancelled between steps, which are limited in bytes and in entries."""
        told = list(archive.unpack(Packed(tar([("a", bytes(100 * MiB))])), str(tmp_path / "one")))
        assert max(after - before for before, after in itertools.pairwise(told)) <= 33 * MiB
        many = Packed(tar((f"{number}", b"x") for number in range(1000)))
        assert len(list(archive.unpack(many, str(tmp_path / "two")))) >= 4


def test_an_encrypted_zip(unpack: Extract) -> None:
    whole = bytearray(zipped([("a", b"x" * 100)], zipfile.ZIP_STORED))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(magic) + offset] |= 1
    with pytest.raises(ArchiveError, match="'a' is encrypted"):
        unpack(bytes(whole))


@pytest.mark.parametrize("compression", ["tar", "gz", "bz2", "xz", "zst", "zip"])
def test_no_archive_that_was_cut_off_is_taken_for_a_whole_one(
    unpack: Extract, tmp_path: Path, compression: str
) -> None:
    files = [("a", b"a" * 512), ("b", b"b" * 100), ("c", random.Random(2).randbytes(5000))]
    whole = zipped(files) if compression == "zip" else COMPRESSIONS[compression](tar(files))
    last = len(whole) - 10_240 if compression == "tar" else len(whole) - 40
    for number, size in enumerate([*range(0, last, 97), *range(512, last, 512)]):
        with pytest.raises(ArchiveError):
            list(archive.unpack(Packed(whole[:size]), str(tmp_path / f"cut-{number}")))


def test_a_header_in_the_middle_that_cannot_be_read(unpack: Extract) -> None:
    whole = bytearray(tar([("a", b"a" * 512), ("b", b"b" * 512)], tarfile.GNU_FORMAT))
    whole[1024 + 148] ^= 1  # the checksum of the second header
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(bytes(whole))


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zip"])
def test_a_wrong_checksum(unpack: Extract, compression: str) -> None:
    """The checksum at the end of the compressed stream is verified too."""
    files = [("a", b"x" * 1000)]
    whole = bytearray(zipped(files) if compression == "zip" else COMPRESSIONS[compression](tar(files)))
    place = {"gz": -6, "bz2": -4, "xz": -30, "zip": whole.find(b"PK\x01\x02") + 16}[compression]
    whole[place] ^= 1
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(bytes(whole))


PACKED = [
    tar([("a", b"a" * 600), ("d/b", b"b")]),
    tar([("n" * 150, b"a" * 600), ("d/b", b"b")], tarfile.GNU_FORMAT),
    zipped([("a", b"a" * 600), ("d/b", b"b")]),
    *(compress(tar([("a", b"a" * 600), ("d/b", b"b")])) for compress in COMPRESSIONS.values()),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(PACKED),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=12)), min_size=1, max_size=6),
)
def test_damage_is_a_storage_error_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, packed: bytes, changes: list[tuple[float, bytes]]
) -> None:
    damaged = bytearray(packed)
    for place, change in changes:
        start = int(place * len(packed))
        damaged[start : start + len(change)] = change
    directory = tmp_path_factory.mktemp("damaged")
    try:
        for _ in archive.unpack(Packed(bytes(damaged)), str(directory / "target")):
            pass
    except StorageError:
        pass
    assert {path.name for path in directory.iterdir()} <= {"target"}


def test_a_zip_archive_without_its_beginning(unpack: Extract) -> None:
    """Its first entry would start before the file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a", b"x" * 100)
    with pytest.raises(ArchiveError):
        unpack(b"PK\x03\x04" + packed.getvalue()[14:])
