"""Arguments of the wrong type: the error names the argument, before anything is requested or written."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sealift
from sealift import AsyncStorage, GitConfig, InvalidConfig, InvalidURI, Limits, S3Config, Trust, WriteOptions
from tests.api.helpers import files_in

pytestmark = pytest.mark.anyio

URI = "s3://b/m"
UNREACHABLE = S3Config("A", "b", endpoint_url="http://127.0.0.1:1")
# The arguments by position of each verb.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "upload": (".", URI), "copy": (URI, "to"), "copy_object": (URI, "to"), "sync": (URI, "to"), "move": (URI, "to"),
    "download": (URI, "to"), "read_into": (URI, bytearray(1)), "write": (URI, b""), "read_ranges": (URI, [(0, 1)]),
    "list_buckets": ("s3://",), "download_many": ([(URI, "to")],), "upload_many": ([(".", URI)],),
    "copy_many": ([(URI, "to")],), "delete_many": ([URI],), "read_many": ([URI],), "list": ("s3://b",),
    "verify_signature": (".", Trust(digest=f"sha256:{'0' * 64}")), "cached": (URI,), "open": (URI,),
}  # fmt: skip
# Those of the tensors are checked when they are opened.
VERBS = [
    name
    for name, verb in inspect.getmembers(AsyncStorage, inspect.isfunction)
    if not name.startswith("_") and name not in {"aclose", "is_local", "get_storage_spec", "tensors"}
]


def _typed(verb: str) -> list[str]:
    """The parameters of a verb that are more than true or false. With a `dest`, `revalidate` is not used."""
    parameters = list(inspect.signature(getattr(AsyncStorage, verb)).parameters.values())[1:]
    names = [each.name for each in parameters if each.annotation not in (bool, bool | None)]
    return [name for name in names if (verb, name) != ("download", "revalidate")]


async def _call(storage: AsyncStorage, verb: str, name: str, value: object) -> None:
    named = list(inspect.signature(getattr(storage, verb)).parameters)
    arguments = dict(zip(named, ARGUMENTS.get(verb, (URI,)), strict=False)) | {name: value}
    if verb == "open" and name == "write_options":
        arguments["mode"] = "wb"
    called = getattr(storage, verb)(**arguments)
    if inspect.isawaitable(called) and not hasattr(called, "__aenter__"):
        await called
    elif hasattr(called, "__aenter__"):
        async with called:
            pass
    else:
        async for _ in called:
            pass


@pytest.mark.parametrize("verb", VERBS)
async def test_each_argument_of_each_verb(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m").write_bytes(b"m")
    monkeypatch.chdir(tmp_path)
    storage = AsyncStorage(Limits(attempts=1, patience=0), config=UNREACHABLE)
    for name in _typed(verb):
        for value in (object(), b"\xff", [5], {5: {}}):
            if name == "data" and isinstance(value, bytes):
                continue
            about = {"config": "is not (a configuration|for)", "data": "bytes"}.get(name.removeprefix("dest_"))
            with pytest.raises((InvalidConfig, InvalidURI), match=about or rf"\b{name}\b|URI must be a str"):
                await _call(storage, verb, name, value)
    assert files_in(tmp_path) == {"m": b"m"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.read(URI, "0"), r"start=… is of type str \(pass an int\)"),
        (lambda s: s.read(URI, 0, 1.5), r"length=… is of type float \(pass an int\)"),
        (lambda s: s.read_ranges(URI, [5]), r"an item of ranges is not a pair \(start, length\)"),
        (lambda s: s.read_ranges(URI, ["05"]), r"an item of ranges is not a pair \(start, length\)"),
        (lambda s: s.read(URI, timeout="30"), "timeout='30' is not a number of seconds"),
        (lambda s: s.read(URI, version_id=5), r"version_id=… is of type int \(pass a str\)"),
        (lambda s: s.write(URI, b"", write_options={"acl": "private"}), r"write_options=… is of type dict \(pass Wri"),
        (lambda s: s.write(URI, b"", on_event="x"), r"on_event=… is of type str \(pass a function that takes an Event"),
        (lambda s: s.download(URI, "to", allow_patterns=[b"*"]), r"allow_patterns=… is of type bytes \(pass patterns"),
        (lambda s: s.download(URI, "to", unpack="tar"), r"unpack=… is of type str \(pass True, False or Unpack"),
        (lambda s: s.download(URI, "to", existing=["skip"]), r"existing=\['skip'\] is not 'overwrite', 'skip' or 'f"),
        (lambda s: s.download(URI, 5), r"dest=… is of type int \(pass a str or a path\)"),
        (lambda s: s.download_many(URI), r"items=… is of type str \(pass a list or another iterable\)"),
        (lambda s: s.read_many(Path(URI)), r"uris=… is of type PosixPath \(pass a list or another iterable\)"),
        (lambda s: s.upload_many([URI]), r"an item of items is not a pair \(src, uri\)"),
        (lambda s: s.presign(URI, expires_in="60"), "expires_in='60' is not a whole number of seconds"),
    ],
)  # fmt: skip
async def test_what_the_errors_say(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        await call(AsyncStorage(Limits(attempts=1, patience=0), config=UNREACHABLE))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AsyncStorage(environ=5), "environ=… is of type int"),  # type: ignore[arg-type]
        (lambda: AsyncStorage(on_event=5), "on_event=… is of type int"),  # type: ignore[arg-type]
        (lambda: GitConfig(5), r"GitConfig\(username=…\) is of type int"),  # type: ignore[arg-type]
        (lambda: WriteOptions(bucket_key="yes"), r"WriteOptions\(bucket_key='yes'\) is not"),  # type: ignore[arg-type]
    ],
)
def test_of_values(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        make()


async def test_numbers_of_other_libraries(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"0123456789")
    storage: Any = AsyncStorage()
    path = tmp_path / "m"
    assert await storage.read(path, np.int64(-3), np.int32(2), timeout=np.float32(60)) == b"78"
    assert await storage.read_ranges(path, np.array([[0, 1], [5, 2]])) == [b"0", b"56"]
    async with storage.open(path) as file:
        assert await file.seek(np.int64(8)) == 8
        assert await file.read(np.int64(2)) == b"89"


def test_a_position_that_is_no_integer(tmp_path: Path) -> None:
    """As for files of Python."""
    (tmp_path / "m").write_bytes(b"0123456789")
    with sealift.Storage.open(tmp_path / "m") as file:
        for wrong in (1.5, "1", None):
            with pytest.raises(TypeError):
                file.seek(wrong)  # type: ignore[arg-type]
        assert file.read(2) == b"01"
