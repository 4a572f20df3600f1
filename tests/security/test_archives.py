"""Archives that would write outside the target or too much are rejected as a whole, and nothing remains."""

import bz2
import copy
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift import ArchiveError, Storage, StorageError, Unpack, UnsafeKey
from sealift.types import MiB
from tests.api.helpers import all_in, files_in
from tests.unit.archives.test_unpack import entry, tar, zipped

FIRST = ("first", b"good")


def pax(**headers: str) -> tarfile.TarInfo:
    info = entry("second", size=4)
    info.pax_headers = {name.replace("_", "."): value for name, value in headers.items()}
    return info


def with_global_header(headers: dict[str, str]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        archive.addfile(entry("second", size=4), io.BytesIO(b"evil"))
    return body.getvalue()


def old_sparse() -> bytes:
    info = entry("sparse", tarfile.GNUTYPE_SPARSE, size=512)
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(512) + bytes(1024)


def endless_map() -> bytes:
    """A sparse file, version 1.0, whose map claims many lines and ends before them."""
    info = entry("sparse", size=512)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "512"}
    return info.tobuf(tarfile.PAX_FORMAT) + b"100000\n".ljust(512, b"0")


def nested_names(count: int) -> bytes:
    """Headers that each announce a long name for the next one."""
    header = entry("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=4).tobuf(tarfile.GNU_FORMAT) + b"name".ljust(512)
    return header * count + tar([FIRST])


def edited(change: Callable[[zipfile.ZipFile], object]) -> bytes:
    """A zip whose directory contradicts its entries."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(*FIRST)
        archive.writestr("second", b"evil")
        change(archive)
    return body.getvalue()


def special(kind: int) -> bytes:
    """A zip with an entry whose Unix mode is not that of a regular file."""
    info = zipfile.ZipInfo("second")
    info.external_attr = (kind | 0o666) << 16
    return zipped([FIRST, (info, b"")])


def quoted() -> bytes:
    """An entry inside the body of another entry."""
    inner = zipped([("inner", b"x" * 50)], zipfile.ZIP_STORED)
    local = inner[: inner.index(b"PK\x01\x02")]
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("outer", local)
        start = body.tell() - len(local)
        with zipfile.ZipFile(io.BytesIO(inner)) as other:
            info = copy.copy(other.infolist()[0])
        info.header_offset = start
        archive.filelist.append(info)
    return body.getvalue()


ATTACKS: dict[str, bytes] = {
    # Names from a header before the entry.
    "pax path": tar([FIRST, (pax(path="../evil"), b"evil")]),
    "pax absolute path": tar([FIRST, (pax(path="/etc/evil"), b"evil")]),
    "pax path with a drive": tar([FIRST, (pax(path="C:/evil"), b"evil")]),
    "pax path of all": with_global_header({"path": "../evil"}),
    "gnu long name": tar([FIRST, ("../" * 60 + "evil", b"evil")], tarfile.GNU_FORMAT),
    # Links, whatever their target and whatever follows them.
    "link": tar([FIRST, (entry("out", tarfile.SYMTYPE, link="/tmp"), b""), ("out/evil", b"evil")]),
    "link within": tar([FIRST, (entry("out", tarfile.SYMTYPE, link="first"), b"")]),
    "long link": tar([FIRST, (entry("out", tarfile.SYMTYPE, link="../" * 60), b"")], tarfile.GNU_FORMAT),
    "hard link": tar([FIRST, (entry("out", tarfile.LNKTYPE, link="/etc/passwd"), b"")]),
    "hard link within": tar([FIRST, (entry("out", tarfile.LNKTYPE, link="first"), b"")]),
    "link behind a directory": tar([(entry("d", tarfile.DIRTYPE), b""), (entry("d", tarfile.SYMTYPE, link="/"), b"")]),
    "device": tar([FIRST, (entry("null", tarfile.CHRTYPE), b"")]),
    "pipe": tar([FIRST, (entry("pipe", tarfile.FIFOTYPE), b"")]),
    # Sizes and maps.
    "negative size": tar([FIRST])[:1024] + entry("second", size=-512).tobuf(tarfile.GNU_FORMAT) + bytes(1024),
    "negative pax size": tar([FIRST, (pax(size="-512"), b"evil")]),
    "huge pax size": tar([FIRST, (pax(size=str(1 << 60)), b"evil")]),
    "pax size that is no number": tar([FIRST, (pax(size="all"), b"evil")]),
    "sparse 0.0": tar([FIRST, (pax(GNU_sparse_numblocks="1", GNU_sparse_offset="0", GNU_sparse_size="99"), b"evil")]),
    "sparse 0.1": tar([FIRST, (pax(GNU_sparse_map="0,0,1000,0", GNU_sparse_size="1000"), b"evil")]),
    "sparse 1.0": tar(
        [FIRST, (pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_name="../evil"), b"0\n\n\n")]
    ),
    "sparse 1.0 without an end": endless_map(),
    "old sparse": old_sparse(),
    "names within names": nested_names(5000),
    # Several files with one name.
    "twice": tar([FIRST, FIRST]),
    "twice in a zip": zipped([FIRST, ("./first", b"evil")]),
    "a file and a directory": tar([FIRST, ("first/evil", b"evil")]),
    # Archives in archives.
    "gzip twice": gzip.compress(gzip.compress(tar([FIRST]))),
    "gzip in xz": lzma.compress(gzip.compress(tar([FIRST]))),
    "zip in bzip2": bz2.compress(zipped([FIRST])),
    # Zips that contradict themselves.
    "another name in the directory": zipped([FIRST, ("second", b"evil")]).replace(b"second", b"secret", 1),
    "one body for two": edited(lambda archive: archive.filelist.append(archive.filelist[0])),
    "one body in another": quoted(),
    "a huge size": edited(lambda archive: setattr(archive.filelist[1], "file_size", 1 << 62)),
    "a body behind the directory": edited(lambda archive: setattr(archive.filelist[1], "compress_size", 1 << 40)),
    "an entry behind the end": edited(lambda archive: setattr(archive.filelist[1], "header_offset", 1 << 40)),
    "a name with NUL": zipped([FIRST, ("second/evil", b"evil")]).replace(b"second/evil", b"second\0evil"),
    "absolute": zipped([FIRST, ("/etc/evil", b"evil")]),
    "drive": zipped([FIRST, ("C:/evil", b"evil")]),
    "backslash": zipped([FIRST, ("..\\evil", b"evil")]),
    "directory above": zipped([FIRST, ("../evil/", b"")]),
    "our own directory": zipped([FIRST, (".sealift/evil", b"evil")]),
    # Zips with entries that are not regular files, here or on Windows.
    "pipe in a zip": special(stat.S_IFIFO),
    "device in a zip": special(stat.S_IFCHR),
    "disk in a zip": special(stat.S_IFBLK),
    "socket in a zip": special(stat.S_IFSOCK),
    "device of Windows": zipped([FIRST, ("NUL", b"evil")]),
    "device of Windows below": zipped([FIRST, ("a/COM1", b"evil")]),
    "device of Windows as a directory": zipped([FIRST, ("PRN/evil", b"evil")]),
    "device of Windows in a tar": tar([FIRST, ("CON", b"evil")]),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "archive").write_bytes(ATTACKS[name])
    (tmp_path / "old").mkdir()
    for dest in ("new", "old"):
        with pytest.raises((UnsafeKey, ArchiveError)):
            Storage.download(str(tmp_path / "archive"), tmp_path / dest, unpack=True)
    assert all_in(tmp_path) == {"archive", "old"}


@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
def test_names_that_only_look_like_devices_are_files(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    files = {"aux.py": b"a", "con/nul": b"b", "COM1.txt": b"c", "NULL": b"d"}
    (tmp_path / "archive").write_bytes(pack(files.items()))
    Storage.download(str(tmp_path / "archive"), tmp_path / "new", unpack=True)
    assert files_in(tmp_path / "new") == files


def test_what_the_directory_of_a_zip_does_not_say_does_not_count(tmp_path: Path) -> None:
    """The method and sizes in the local header are wrong; those of the directory are used, and the checksum matches."""
    packed = bytearray(zipped([("a", b"x" * 1000)]))
    packed[8:10] = (0).to_bytes(2, "little")
    packed[18:26] = bytes(8)
    (tmp_path / "archive").write_bytes(packed)
    Storage.download(str(tmp_path / "archive"), tmp_path / "new", unpack=True)
    assert files_in(tmp_path / "new") == {"a": b"x" * 1000}


@pytest.mark.parametrize(
    "bounds", [Unpack(entries=1), Unpack(size=50), Unpack(ratio=2)], ids=["entries", "size", "ratio"]
)
@pytest.mark.parametrize("pack", [tar, zipped], ids=["tar", "zip"])
def test_a_caller_s_bounds(tmp_path: Path, pack: Callable[..., bytes], bounds: Unpack) -> None:
    files = [("a", bytes(100)), ("b", bytes(70 * MiB))] if bounds.ratio == 2 else [("a", bytes(30)), ("b", bytes(30))]
    packed = pack(files)
    (tmp_path / "archive").write_bytes(gzip.compress(packed) if pack is tar else packed)
    with pytest.raises(ArchiveError, match="more than"):
        Storage.download(str(tmp_path / "archive"), tmp_path / "new", unpack=bounds)
    assert all_in(tmp_path) == {"archive"}
    enough = Unpack(entries=2, size=100 * MiB, ratio=2000)
    Storage.download(str(tmp_path / "archive"), tmp_path / "new", unpack=enough)
    assert files_in(tmp_path / "new") == dict(files)


SEGMENTS = st.sampled_from(["a", "A", "b", "é", "e\u0301", "..", ".", "", "C:", "x" * 120, "a\\b", ".sealift", "NUL"])
NAMES = st.lists(SEGMENTS | st.text(max_size=4), min_size=1, max_size=5).map("/".join)
KINDS = st.sampled_from([tarfile.REGTYPE] * 6 + [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
ENTRIES = st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=600)), max_size=6)


def packed_tar(entries: list[tuple[str, bytes, bytes]], form: int) -> bytes:
    files = []
    for name, kind, data in entries:
        body = data if kind == tarfile.REGTYPE else b""
        files.append((entry(name, kind, len(body), link="../a"), body))
    return tar(files, form)


def packed_zip(entries: list[tuple[str, bytes, bytes]]) -> bytes:
    files = []
    for name, kind, data in entries:
        info = zipfile.ZipInfo("x")
        info.filename = name
        if kind == tarfile.SYMTYPE:
            info.external_attr = 0o120777 << 16
        files.append((info, data))
    return zipped(files)


@settings(max_examples=150, deadline=None)
@given(ENTRIES, st.sampled_from(["pax", "gnu", "zip", "gz"]))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_archive_arrives_within_the_target_or_not_at_all(
    entries: list[tuple[str, bytes, bytes]], form: str
) -> None:
    try:
        packed = (
            packed_zip(entries)
            if form == "zip"
            else packed_tar(entries, tarfile.GNU_FORMAT if form == "gnu" else tarfile.PAX_FORMAT)
        )
    except (UnicodeEncodeError, ValueError):  # half of a surrogate pair, which archives cannot store
        return
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        (here / "archive").write_bytes(gzip.compress(packed) if form == "gz" else packed)
        try:
            Storage.download(str(here / "archive"), here / "new", unpack=True)
        except StorageError:
            assert all_in(here) == {"archive"}
            return
        assert {path.name for path in here.iterdir()} == {"archive", "new"}
        found = sorted(files_in(here / "new").values())
        assert not [path for path in here.rglob("*") if path.is_symlink()]
    expected = [
        data
        for name, kind, data in entries
        if (kind == tarfile.REGTYPE if form != "zip" else not name.endswith("/") and kind != tarfile.SYMTYPE)
    ]
    assert found == sorted(expected)
