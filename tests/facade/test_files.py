"""`Storage.open`: file objects for libraries that know nothing of sealift."""

import csv
import gc
import io
import itertools
import json
import pickle
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealift import InvalidConfig, ModelMissingError, ObjectChanged, ReadableFile, Storage, WritableFile
from sealift.types import KiB, MiB
from tests.api.servers import FakeS3, pattern
from tests.api.stores import Store, directory, prefix
from tests.api.writable import WritableS3
from tests.facade.scripts import Script, run
from tests.services.s3 import MakeBucket, S3Service

DATA = pattern(3 * MiB + 5)
TEXT = "".join(f"line {number}: {'ü' * (number % 90)}\n" for number in range(5_000))


@pytest.fixture(params=["local", "seaweedfs"])
def store(request: pytest.FixtureRequest, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> Store:
    return directory(tmp_path / "root") if request.param == "local" else prefix(seaweedfs, make_bucket(seaweedfs), "m")


def reading(store: Store, name: str) -> ReadableFile:
    return Storage.open(f"{store.uri}/{name}", config=store.config)


def writing(store: Store, name: str) -> WritableFile:
    return Storage.open(f"{store.uri}/{name}", "wb", config=store.config)


def test_json(store: Store) -> None:
    with writing(store, "m.json") as file, io.TextIOWrapper(file, "utf-8", write_through=True) as text:
        json.dump({"a": [1, "ü"]}, text, ensure_ascii=False)
    with reading(store, "m.json") as file:
        assert json.load(file) == {"a": [1, "ü"]}


def test_pickle_and_joblib(store: Store) -> None:
    model = {"weights": np.arange(400_000, dtype=np.float32), "names": ["a", "b"] * 1000}
    for dump, load in ((pickle.dump, pickle.load), (joblib.dump, joblib.load)):
        with writing(store, "model") as file:
            dump(model, file)
        with reading(store, "model") as file:
            loaded = load(file)
        assert loaded["names"] == model["names"]
        assert np.array_equal(loaded["weights"], model["weights"])


def test_numpy(store: Store) -> None:
    array = np.arange(600_000, dtype=np.float64).reshape(300, 2000)
    with writing(store, "m.npy") as file:
        np.save(file, array)
    with reading(store, "m.npy") as file:
        assert np.array_equal(np.load(file), array)
    with writing(store, "m.npz") as file:
        np.savez(file, a=array, b=array[:3])
    with reading(store, "m.npz") as file, np.load(file) as arrays:
        assert np.array_equal(arrays["b"], array[:3])
        assert np.array_equal(arrays["a"], array)
    empty = np.empty_like(array)
    with reading(store, "m.npy") as file:
        file.seek(-array.nbytes, io.SEEK_END)
        assert file.readinto(empty) == array.nbytes  # type: ignore[arg-type]
    assert np.array_equal(empty, array)


def test_zip(store: Store) -> None:
    with writing(store, "m.zip") as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in (("a", DATA), ("deep/b", b"b"), ("c", TEXT.encode())):
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if name == "c" else zipfile.ZIP_STORED)
    with reading(store, "m.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("deep/b") == b"b"
        assert archive.read("c") == TEXT.encode()
        assert archive.read("a") == DATA
        assert archive.testzip() is None


@pytest.mark.parametrize("compression", ["", "gz"])
def test_tar(store: Store, compression: str) -> None:
    with writing(store, "m.tar") as file, tarfile.open(fileobj=file, mode=f"w:{compression}") as tar:  # type: ignore[call-overload]
        for name, data in (("a", DATA), ("b", b"b")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    with reading(store, "m.tar") as file, tarfile.open(fileobj=file) as tar:
        assert tar.getnames() == ["a", "b"]
        for name, data in (("b", b"b"), ("a", DATA)):
            member = tar.extractfile(name)
            assert member is not None
            assert member.read() == data


def test_text_lines_and_copies(store: Store) -> None:
    store.put({"t": TEXT.encode()})
    with reading(store, "t") as file:
        assert list(file) == TEXT.encode().splitlines(keepends=True)
        file.seek(0)
        assert file.readlines(100) == io.BytesIO(TEXT.encode()).readlines(100)
    with io.TextIOWrapper(reading(store, "t"), "utf-8") as text:
        assert text.read() == TEXT
    with io.TextIOWrapper(reading(store, "t"), "utf-8", newline="") as text:
        assert [row[0] for row in csv.reader(text, delimiter=":")] == [f"line {number}" for number in range(5_000)]
    with reading(store, "t") as file, writing(store, "copy") as copy:
        shutil.copyfileobj(file, copy)
    assert store.content()["copy"] == TEXT.encode()
    with io.BufferedReader(reading(store, "t")) as buffered:  # type: ignore[arg-type]
        assert buffered.read() == TEXT.encode()


def test_it_is_a_binary_file(store: Store) -> None:
    store.put({"m": b"0123456789"})
    with reading(store, "m") as file:
        assert isinstance(file, io.BufferedIOBase)
        assert (file.name, file.mode, file.size) == (f"{store.uri}/m", "rb", 10)
        assert (file.readable(), file.writable(), file.seekable(), file.isatty()) == (True, False, True, False)
        for unsupported in (file.fileno, file.detach, lambda: file.write(b"x"), lambda: file.truncate(1)):
            with pytest.raises(io.UnsupportedOperation):
                unsupported()
        assert repr(file) == f"<sealift.ReadableFile name='{store.uri}/m' mode='rb'>"
    assert repr(file) == f"<sealift.ReadableFile closed name='{store.uri}/m' mode='rb'>"
    for closed in (file.read, file.tell, file.readline, file.seekable, lambda: file.seek(0), file.__enter__):
        with pytest.raises(ValueError, match="closed"):
            closed()
    file.close()

    with writing(store, "w") as out:
        assert (out.name, out.mode, out.tell()) == (f"{store.uri}/w", "wb", 0)
        assert (out.readable(), out.writable(), out.seekable(), out.isatty()) == (False, True, False, False)
        for unsupported in (out.fileno, out.read, lambda: out.seek(0), lambda: out.truncate(1)):
            with pytest.raises(io.UnsupportedOperation):
                unsupported()
        with pytest.raises(TypeError):
            out.write("text")
        out.writelines([b"a", bytearray(b"b"), memoryview(b"c")])
        out.write(np.zeros((2, 3), np.uint8))
        out.write(np.zeros((0, 3), np.uint8))
        out.flush()
    assert store.content()["w"] == b"abc" + bytes(6)
    with pytest.raises(ValueError, match="closed"):
        out.write(b"x")
    out.close()


def test_what_cannot_be_opened(store: Store) -> None:
    with pytest.raises(ModelMissingError, match="^open .*/none: "):
        reading(store, "none")
    for mode in ("r", "a", "rb+", 5):
        with pytest.raises(InvalidConfig, match="^open .*/none: mode="):
            Storage.open(f"{store.uri}/none", mode)  # type: ignore[call-overload]


def test_an_error_in_the_block(store: Store) -> None:
    for data in (b"x", DATA * 3):
        with pytest.raises(LookupError):
            with writing(store, "m") as file:
                file.write(data)
                raise LookupError
        assert file.closed
    with writing(store, "m") as file:
        file.write(b"x")
        file.abort()
    assert store.content() == {}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeS3]:
    with FakeS3({"b": {"large": DATA, "text": TEXT.encode(), "small": b"small\nfile", "empty": b""}}) as server:
        yield server


STEPS = st.one_of(
    st.tuples(st.just("seek"), st.integers(0, len(DATA) + 100)),
    st.tuples(st.just("back"), st.integers(0, 100_000)),
    st.tuples(st.sampled_from(["read", "readinto", "peek"]), st.integers(0, 300)),
    st.tuples(st.sampled_from(["read", "readinto", "readline"]), st.integers(0, 600_000)),
    st.tuples(st.just("tail"), st.integers(0, 400)),
    st.tuples(st.just("rest"), st.just(0)),
)


def step(file: BinaryIO, verb: str, number: int) -> object:
    if verb == "seek":
        return file.seek(number)
    if verb == "back":
        return file.seek(-min(number, file.tell()), io.SEEK_CUR)
    if verb == "tail":
        return file.seek(-min(number, 5), io.SEEK_END)
    if verb == "readinto":
        buffer = bytearray(number)
        return file.readinto(buffer), buffer  # type: ignore[attr-defined]
    if verb == "readline":
        return file.readline(number)
    if verb == "rest":
        return file.read()
    return file.read(number)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["large", "text", "small"]), st.lists(STEPS, max_size=30))
def test_as_from_memory(fake: FakeS3, key: str, steps: list[tuple[str, int]]) -> None:
    """Any sequence of reads returns what `io.BytesIO` returns."""
    data = fake.objects["b"][key]
    with io.BytesIO(data) as expected, Storage.open(f"s3://b/{key}", config=fake.config) as file:
        for verb, number in steps:
            if verb == "peek":
                found = file.peek(number)
                assert found == data[file.tell() : file.tell() + len(found)]
                assert found or file.tell() >= len(data)
                continue
            assert step(file, verb, number) == step(expected, verb, number)
            assert file.tell() == expected.tell()


def test_small_reads_rarely_leave_the_thread(fake: FakeS3) -> None:
    with Storage.open("s3://b/text", config=fake.config) as file:
        calls, receive = itertools.count(), file._receive

        def counted(*arguments: object) -> object:
            next(calls)
            return receive(*arguments)  # type: ignore[arg-type]

        file._receive = counted  # type: ignore[method-assign, assignment]
        while file.read(10):
            pass
        assert next(calls) < 10


def test_one_file_in_several_threads(fake: FakeS3) -> None:
    """Each byte is read once."""
    found: list[bytes] = []
    with Storage.open("s3://b/large", config=fake.config) as file:

        def consume() -> None:
            while piece := file.read(10_007):
                found.append(piece)

        threads = [threading.Thread(target=consume) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(map(len, found)) == len(DATA)


def test_an_object_that_is_replaced() -> None:
    with FakeS3({"b": {"m": DATA}}) as server, Storage.open("s3://b/m", config=server.config) as file:
        assert file.read(10) == DATA[:10]
        server.replace("b", "m", DATA[::-1])
        file.seek(2 * MiB)
        with pytest.raises(ObjectChanged, match="^read s3://b/m: "):
            file.read(10)


def test_forgotten() -> None:
    """A file that nobody closes ends with a warning, and stores nothing."""
    with WritableS3() as server:
        server.objects = {"b": {"m": DATA}}
        files: list[BinaryIO] = [Storage.open("s3://b/m", config=server.config)]
        files[0].read(100 * KiB)
        with pytest.warns(ResourceWarning, match="unclosed file <sealift.ReadableFile name='s3://b/m'"):
            files.clear()
        files = [Storage.open("s3://b/w", "wb", config=server.config)]
        files[0].write(DATA * 8)
        with pytest.warns(ResourceWarning, match="nothing was stored"):
            files.clear()
        gc.collect()
        assert Storage.read("s3://b/m", 0, 3, config=server.config) == DATA[:3]
        assert set(server.objects["b"]) == {"m"}


def test_left_open_at_the_end_of_the_program(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = """
        import warnings
        warnings.simplefilter("ignore")
        file = Storage.open("s3://b/large", config=config)
        out = Storage.open(str(HERE / "out"), "wb")
        say(len(file.read(1000)), out.write(b"x" * 20_000_000))
    """
    assert run(program, here, server, environ=loop) == (0, ["1000 20000000"], "")
    assert not (here / "out").exists()


def test_left_open_at_a_fork(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """The child cannot use the parent's files, and the parent is not affected."""
    program = """
        file = Storage.open("s3://b/large", config=config)
        out = Storage.open(str(HERE / "out"), "wb")
        say(len(file.read(100_000)), out.write(b"x" * 9_000_000))
        child = os.fork()
        if not child:
            for use in (lambda: file.read(1_000_000), lambda: out.write(b"x" * 1_000_000), out.close):
                try:
                    use()
                except StorageError as error:
                    say(error)
            file.close()
            sys.exit()
        say(os.waitpid(child, 0)[1])
        say(len(file.read(100_000)))
        file.close()
        out.close()
    """
    said = "the file was opened before this process was forked (open it again)"
    expected = ["100000 9000000", said, said, said, "0", "100000"]
    assert run(program, here, server, environ=loop) == (0, expected, "")
    assert (here / "out").read_bytes() == b"x" * 9_000_000


def test_an_interrupt(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """Ctrl-C during a read ends it; the file can still be read."""
    program = """
        import _thread
        def interrupt():
            input()
            _thread.interrupt_main()
        threading.Thread(target=interrupt, daemon=True).start()
        file = Storage.open("s3://b/large", config=config)
        file.seek(11 << 20)
        say("reads")
        try:
            file.read(3 << 20)
        except KeyboardInterrupt:
            say("interrupted")
        file.seek(0)
        say(len(file.read(1 << 20)))
        file.close()
    """
    with Script(program, here, server, environ=loop) as script:
        script.until("reads")
        server.stalled.wait()
        script.tell()
        assert script.end() == (0, ["interrupted", str(1 << 20)], "")


def test_killed(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """Nothing is visible of a file whose process is killed."""
    program = """
        out = Storage.open(str(HERE / "out"), "wb")
        out.write(b"x" * 20_000_000)
        say("written")
        os.kill(os.getpid(), 9)
    """
    status, said, _ = run(program, here, server, environ=loop)
    assert (status, said) == (-9, ["written"])
    assert not (here / "out").exists()
    with pytest.raises(FileNotFoundError):
        Storage.open(str(here / "out"))


def test_killed_while_it_writes_to_a_bucket(here: Path, loop: dict[str, str]) -> None:
    program = """
        out = Storage.open("s3://b/out", "wb", config=config)
        out.write(b"x" * 20_000_000)
        say("written")
        os.kill(os.getpid(), 9)
    """
    with WritableS3() as server:
        status, said, _ = run(program, here, server, environ=loop)
        assert (status, said) == (-9, ["written"])
        assert server.objects == {"b": {}}
        assert server.uploads
        aborted = 'say(Storage.abort_uploads("s3://b/out", config=config))'
        assert run(aborted, here, server, environ=loop) == (0, ["1"], "")
        assert server.uploads == {}
