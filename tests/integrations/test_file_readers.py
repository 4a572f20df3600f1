"""`Storage.open` for pandas, pyarrow and torch, which are not installed here: the calls that they make on a file.

The calls were recorded with pandas 3.1, pyarrow 26.0 and torch 2.13, which read and wrote tables and models through
these files. `tests/facade/test_files.py` has json, pickle, joblib, numpy, zipfile, tarfile and csv themselves.
"""

import io
import os
from typing import Any

import pytest

from sealift import Storage
from tests.api.helpers import config_of
from tests.api.servers import pattern
from tests.services.s3 import MakeBucket, S3Service, get_object, put_objects

SIZE = 300_000
DATA = pattern(SIZE)
END = ("seek", 0, os.SEEK_END)

# The method and its arguments; for `readinto`, the size of the buffer; "closed" is an attribute.
READS: dict[str, list[tuple[Any, ...]]] = {
    # `pandas.read_parquet` and `pyarrow.parquet.read_table`, by pyarrow's `PythonFile`: the footer, then the columns.
    "parquet": [
        ("closed",), ("tell",), END, ("tell",), ("seek", 0, os.SEEK_SET), ("tell",), END, ("tell",),
        ("seek", 0, os.SEEK_SET), ("seek", SIZE - 65_536, os.SEEK_SET), ("read", 65_536), ("tell",), END, ("tell",),
        ("seek", SIZE, os.SEEK_SET), ("seek", 100_000, os.SEEK_SET), ("read", 180_000), ("readable",), ("closed",),
    ],
    # `torch.load`, by `PyTorchFileReader`: the directory of the zip file at its end, then one record after the other.
    "torch.load": [
        ("tell",), ("seek", 0), ("tell",), ("read", 4), ("seek", 0), ("tell",), END, ("tell",), ("seek", 0),
        ("readinto", 8), ("seek", SIZE - 4096), ("readinto", 4096), ("seek", SIZE - 22), ("readinto", 22),
        ("seek", SIZE - 777), ("readinto", 30), ("seek", SIZE - 901), ("readinto", 2), ("seek", 329), ("readinto", 30),
        ("seek", 448), ("readinto", 1), ("seek", 1000), ("readinto", 250_000), ("seek", 0),
    ],
    # `torch.load` of a file that is a pickle.
    "torch.load of a pickle": [
        ("tell",), ("seek", 0), ("read", 4), ("seek", 0), *[("read", 1)] * 20, ("read", 16), ("readline",),
        ("read", 200_000), ("readinto", 4096), ("read", 1), END, ("read", 1), ("readinto", 8),
    ],
    # `pandas.read_csv`, by `io.TextIOWrapper`.
    "csv": [
        ("readable",), ("seekable",), ("closed",), ("tell",), ("read1", 8192), ("read1", 262_144),
        ("seek", 0), ("read1", 8192), ("flush",),
    ],
}  # fmt: skip
WRITES: dict[str, list[bytes]] = {
    # `DataFrame.to_parquet`, by pyarrow's `PythonFile`.
    "parquet": [b"PAR1", DATA[:17], DATA, DATA[:66], b"", DATA[:381], b"}\x01\x00\x00", b"PAR1"],
    # `torch.save`, by `PyTorchFileWriter`.
    "torch.save": [*[DATA[:4]] * 50, DATA, DATA[:3], b"PK\x05\x06"],
}


@pytest.fixture
def bucket(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    return make_bucket(seaweedfs)


def called(file: Any, name: str, *arguments: Any) -> Any:
    """The result of a call; of `read1`, which may return less, the size is left out."""
    if name == "closed":
        return file.closed
    if name == "readinto":
        buffer = bytearray(arguments[0])
        return file.readinto(memoryview(buffer)), bytes(buffer)
    if name == "read1":
        start = file.tell()
        data = file.read1(*arguments)
        return bool(data), data == DATA[start : start + len(data)]
    return getattr(file, name)(*arguments)


@pytest.mark.parametrize("library", list(READS))
def test_reading(seaweedfs: S3Service, bucket: str, library: str) -> None:
    """As from memory."""
    put_objects(seaweedfs, bucket, {"data": DATA})
    expected = io.BytesIO(DATA)
    with Storage.open(f"s3://{bucket}/data", config=config_of(seaweedfs)) as file:
        for call in READS[library]:
            assert called(file, *call) == called(expected, *call)


@pytest.mark.parametrize("library", list(WRITES))
def test_writing(seaweedfs: S3Service, bucket: str, library: str) -> None:
    with Storage.open(f"s3://{bucket}/new", "wb", config=config_of(seaweedfs)) as file:
        for data in WRITES[library]:
            assert not file.closed
            assert file.write(data) == len(data)
        assert file.tell() == sum(map(len, WRITES[library]))
        file.flush()
    assert get_object(seaweedfs, bucket, "new") == b"".join(WRITES[library])
