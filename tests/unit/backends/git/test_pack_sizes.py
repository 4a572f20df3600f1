"""Sizes of the objects of a pack, made by Git and by hand."""

import hashlib
import random
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.backends.git.pack_sizes import check_sizes
from sealift.errors import ServiceError, TransportError

BLOB, OFS_DELTA, REF_DELTA = 3, 6, 7
ENVIRON = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin:/usr/local/bin"}


def number(value: int) -> bytes:
    """As in a delta."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def stored(kind: int, data: bytes, base: bytes = b"", size: int | None = None) -> bytes:
    size = len(data) if size is None else size
    first, rest = size & 15 | kind << 4, size >> 4
    return (bytes([first | 0x80]) + number(rest) if rest else bytes([first])) + base + zlib.compress(data)


def pack(*objects: bytes) -> memoryview:
    content = b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big") + b"".join(objects)
    return memoryview(content + hashlib.sha1(content, usedforsecurity=False).digest())


def check(content: memoryview, largest: int = 1000) -> None:
    check_sizes(content, largest, lambda: False)


@given(st.lists(st.binary(max_size=2000), max_size=4))
def test_the_largest_file(files: list[bytes]) -> None:
    largest = max(map(len, files), default=0)
    content = pack(*(stored(BLOB, data) for data in files))
    check(content, largest)
    if largest:
        with pytest.raises(ServiceError, match=f"has {largest:,} bytes"):
            check(content, largest - 1)


def test_what_a_delta_becomes() -> None:
    base = stored(BLOB, b"x" * 10)
    for sizes in ((10, 1 << 40), (1 << 40, 10)):
        delta = number(sizes[0]) + number(sizes[1]) + b"\x90\x0a"
        for changed in (stored(OFS_DELTA, delta, bytes([len(base)])), stored(REF_DELTA, delta, bytes(20))):
            with pytest.raises(ServiceError, match="a file of the Git repository has 1,099,511,627,776 bytes"):
                check(pack(base, changed))
    check(pack(base, stored(OFS_DELTA, number(10) + number(10) + b"\x90\x0a", bytes([len(base)]))))


@pytest.mark.parametrize(
    "content",
    [
        pack(stored(BLOB, b"x" * 10, size=9)),
        pack(stored(BLOB, b"x" * 10, size=11)),
        pack(stored(OFS_DELTA, b"\x80", b"\x01")),
        pack(stored(BLOB, b"x" * 100))[:20],
        pack(stored(BLOB, b"x"))[:13],
        memoryview(b"PACK\0\0\0\2\0\0\0\1" + b"\xff" * 30),
    ],
    ids=["too long", "too short", "no sizes", "cut off", "no bytes", "no header"],
)
def test_a_damaged_pack(content: memoryview) -> None:
    with pytest.raises((ValueError, zlib.error)):
        check(content)


def test_the_name_in_a_pack_of_git(tmp_path: Path) -> None:
    """Trees may be deltas."""
    randomness = random.Random(1)
    large = randomness.randbytes(50_000)
    files = {f"many/{index:04}.bin": randomness.randbytes(20) for index in range(300)}
    files |= {f"many/also/{name[5:]}": data for name, data in files.items()} | {"weights/new/model.bin": large}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    def git(*command: str, text: str = "") -> bytes:
        settings = ("-c", "user.name=T", "-c", "user.email=t@example.com")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *settings, *command],
            env=ENVIRON, input=text.encode(), check=True, stdout=subprocess.PIPE,
        ).stdout  # fmt: skip

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "x")
    content = memoryview(git("pack-objects", "--stdout", "--revs", "--delta-base-offset", text="HEAD\n"))
    check(content, 50_000)
    with pytest.raises(ServiceError, match="'weights/new/model.bin' of the Git repository has 50,000 bytes"):
        check(content, 49_999)


def test_it_can_be_stopped() -> None:
    with pytest.raises(TransportError, match="interrupted"):
        check_sizes(pack(stored(BLOB, b"x" * 100)), 1000, lambda: True)
