"""The list of a tar archive's entries does not depend on how its bytes arrive, and is that of `tarfile`."""

import hashlib
import io
import tarfile

import pytest

from sealift.backends.oci.tar_scanner import Entry, TarScanner
from sealift.errors import ArchiveError
from tests.services.registry import tar_of

FILES: dict[str, bytes | str | None] = {
    "models": None,
    "models/empty": b"",
    "models/one": b"x",
    "models/block": b"y" * 512,
    "models/more": b"z" * 1300,
    f"models/{'d' * 120}/{'n' * 110}": b"a long name",
    "models/link": "-> ../elsewhere",
    f"models/{'l' * 20}": f"-> {'t' * 150}",
    "models/hard": "=> models/one",
}


def scanned(data: bytes, step: int) -> list[Entry]:
    scanner = TarScanner()
    for start in range(0, len(data), step):
        scanner.write(data[start : start + step])
    return scanner.finish()


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
@pytest.mark.parametrize("step", [1, 7, 512, 1 << 20])
def test_entries(format: int, step: int) -> None:  # noqa: A002
    data = tar_of(FILES, format=format)
    entries = scanned(data, step)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
    assert [entry.name for entry in entries] == [member.name for member in members] == list(FILES)
    for entry, member in zip(entries, members, strict=True):
        content = FILES[entry.name]
        if isinstance(content, bytes):
            assert (entry.kind, entry.size, entry.offset) == ("file", len(content), member.offset_data)
            assert entry.sha256 == hashlib.sha256(content).hexdigest()
        else:
            assert entry.link == (content[3:] if content else "")


@pytest.mark.parametrize("cut", [100, 600, 1030])
def test_archives_that_end_too_early(cut: int) -> None:
    with pytest.raises(ArchiveError, match="ends within an entry"):
        scanned(tar_of({"a": b"x" * 600})[:cut], 1 << 20)


@pytest.mark.parametrize(
    ("kind", "attributes", "cause"),
    [
        (tarfile.REGTYPE, {"size": "-1"}, "negative size"),
        (tarfile.REGTYPE, {"size": "many"}, "not valid"),
        (tarfile.REGTYPE, {"GNU.sparse.major": "1"}, "sparse file"),
        (tarfile.GNUTYPE_SPARSE, {}, "sparse file"),
        (tarfile.GNUTYPE_LONGNAME, {}, "too large"),
    ],
)
def test_entries_that_are_refused(kind: bytes, attributes: dict[str, str], cause: str) -> None:
    member = tarfile.TarInfo("a")
    member.type, member.size = kind, 1 << 30 if kind == tarfile.GNUTYPE_LONGNAME else 0
    records = "".join(_record(name, value) for name, value in attributes.items()).encode()
    header = tarfile.TarInfo("attributes")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    before = header.tobuf() + records + bytes(-len(records) % tarfile.BLOCKSIZE) if attributes else b""
    with pytest.raises(ArchiveError, match=cause):
        scanned(before + member.tobuf() + bytes(1024), 1 << 20)


def _record(name: str, value: str) -> str:
    """https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html: the length counts itself."""
    rest = f" {name}={value}\n"
    length = len(rest) + 1
    while len(f"{length}{rest}") != length:
        length += 1
    return f"{length}{rest}"
