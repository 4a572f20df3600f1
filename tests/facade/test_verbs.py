"""The verbs of `Storage` and `StorageOperations`, without an event loop and in the thread of a running one."""

import gc
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from sealift import Event, IntegrityError, InvalidConfig, ModelMissingError, Storage, StorageOperations, Synced
from sealift.types import MiB
from tests.api.helpers import files_in
from tests.api.servers import Asked, FakeS3, Reply, pattern
from tests.api.stores import Store, directory, prefix
from tests.facade.scripts import Script, run
from tests.services.s3 import MakeBucket, S3Service

LARGE = pattern(40 * MiB)


@pytest.fixture
def store(seaweedfs: S3Service, make_bucket: MakeBucket) -> Store:
    return prefix(seaweedfs, make_bucket(seaweedfs), "m")


LEFT = {"a": b"a", "deep/b": b"bb", "0": b"a", "1": b"a", "2": b"a"}


def every_verb(store: Store, here: Path) -> dict[str, bytes]:
    """Call every verb and check its effect. Returns the final content of the store."""
    tree = directory(here / "tree")
    tree.put({"a": b"a", "deep/b": b"bb"})
    config, events = store.config, list[Event]()

    assert Storage.upload(tree.uri, store.uri, config=config, on_event=events.append) is True
    assert Storage.upload(here / "tree" / "a", f"{store.uri}/c", config=config) is True
    assert store.content() == {"a": b"a", "deep/b": b"bb", "c": b"a"}
    assert {event.kind for event in events} == {"listed", "progress", "object"}

    assert Storage.read(f"{store.uri}/deep/b", config=config) == b"bb"
    assert Storage.read(f"{store.uri}/deep/b", 1, 5, config=config) == b"b"
    buffer = bytearray(b"....")
    assert Storage.read_into(f"{store.uri}/deep/b", buffer, 0, config=config) == 2
    assert buffer == b"bb.."
    assert list(Storage.stream(f"{store.uri}/deep/b", config=config)) == [b"bb"]
    with Storage.stream(f"{store.uri}/deep/b", 1, 1, config=config) as chunks:
        assert b"".join(chunks) == b"b"
        assert list(chunks) == []

    assert Storage.copy(store.uri, f"{store.uri}-2", config=config) == f"{store.uri}-2/"
    with pytest.raises(InvalidConfig):
        Storage.copy(store.uri, f"{store.uri}-3", config=config, recursive=False)
    assert StorageOperations.copy_object(f"{store.uri}/a", f"{store.uri}-2/", config=config) is True
    assert sorted(StorageOperations.list_objects(f"{store.uri}-2", config=config)) == ["a", "c", "deep/b"]

    assert Storage.sync(f"{store.uri}-2", f"{here}/synced", config=config) == Synced(3, 0, 0)
    (here / "synced" / "extra").write_bytes(b"x")
    assert Storage.sync(f"{store.uri}-2", f"{here}/synced", config=config, delete=True, dry_run=True).deleted == 1
    assert Storage.sync(f"{store.uri}-2", f"{here}/synced", config=config, delete=True).deleted == 1
    assert files_in(here / "synced") == {"a": b"a", "c": b"a", "deep/b": b"bb"}

    assert StorageOperations.delete_object(f"{store.uri}/c", config=config) is True
    assert StorageOperations.delete_object(f"{store.uri}/c", config=config) is False
    assert Storage.delete(f"{store.uri}-2", config=config, recursive=True, ignore_patterns="a") == 2
    assert Storage.delete(f"{store.uri}-2/a", config=config) == 1
    with pytest.raises(ModelMissingError, match="^delete "):
        Storage.delete(f"{store.uri}-2", config=config, recursive=True)

    assert Storage.upload_many([(here / "tree/a", f"{store.uri}/{n}") for n in range(3)], config=config) == [True] * 3
    uris = [(f"{store.uri}/{n}", here / "many" / str(n)) for n in (0, 1, 2, 3)]
    *paths, failure = Storage.download_many(uris, config=config, return_exceptions=True)
    assert isinstance(failure, ModelMissingError)
    assert paths == [f"{here}/many/{n}" for n in range(3)]
    assert files_in(here / "many") == {"0": b"a", "1": b"a", "2": b"a"}
    assert Storage.copy_many([(here / "tree/a", f"{store.uri}/many/{n}") for n in "xy"], config=config) == [
        f"{store.uri}/many/x",
        f"{store.uri}/many/y",
    ]
    many = [f"{store.uri}/many/{n}" for n in "xyz"]
    first, second, missing = Storage.read_many(many, config=config, return_exceptions=True)
    assert (first, second) == (b"a", b"a")
    assert isinstance(missing, ModelMissingError)
    assert Storage.delete_many(many, config=config) == [True, True, False]
    return store.content()


def test_without_a_loop(store: Store, tmp_path: Path) -> None:
    assert every_verb(store, tmp_path) == LEFT


@pytest.mark.anyio
async def test_inside_a_running_loop_s_thread(store: Store, tmp_path: Path) -> None:
    assert every_verb(store, tmp_path) == LEFT


@pytest.mark.anyio
async def test_chunks_inside_a_running_loop_s_thread(server: FakeS3) -> None:
    assert b"".join(Storage.stream("s3://b/n/31", config=server.config)) == pattern(31 * 1000 + 31)


@pytest.fixture
def large() -> FakeS3:
    return FakeS3({"b": {"m": LARGE}})


def gets(server: FakeS3) -> int:
    return sum(asked.method == "GET" for asked in server.asked)


def test_an_object_in_chunks(large: FakeS3) -> None:
    with large:
        chunks = list(Storage.stream("s3://b/m", config=large.config))
        assert b"".join(chunks) == LARGE
        assert len(chunks) == 5
        assert b"".join(Storage.stream("s3://b/m", 5 * MiB, 9 * MiB, config=large.config)) == LARGE[5 * MiB : 14 * MiB]


@pytest.mark.parametrize("leave", ["by break", "by an error", "before the first chunk"])
def test_left_early(large: FakeS3, leave: str) -> None:
    """The engine keeps working, a later call succeeds, and the rest of the object is not requested."""
    with large:
        with pytest.raises(LookupError) if leave == "by an error" else nullcontext():
            with Storage.stream("s3://b/m", 0, 40 * MiB, config=large.config) as chunks:
                for chunk in chunks if leave != "before the first chunk" else ():
                    assert chunk == LARGE[: len(chunk)]
                    if leave == "by an error":
                        raise LookupError
                    break
        assert gets(large) <= 5
        assert Storage.read("s3://b/m", 0, 10, config=large.config) == LARGE[:10]
        assert list(chunks) == []


def test_closed_twice_and_after_the_end(server: FakeS3) -> None:
    chunks = Storage.stream("s3://b/small", config=server.config)
    assert list(chunks) == [b"small"]
    chunks.close()
    chunks.close()
    assert list(chunks) == []


def test_forgotten(large: FakeS3) -> None:
    """A `break` without `with`: the engine closes the iterator."""
    with large:
        for chunk in Storage.stream("s3://b/m", config=large.config):
            assert chunk == LARGE[: len(chunk)]
            break
        gc.collect()
        assert Storage.read("s3://b/m", 0, 10, config=large.config) == LARGE[:10]


def test_a_failure_in_the_middle() -> None:
    told = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA=", "x-amz-checksum-type": "FULL_OBJECT"}

    def instead(asked: Asked) -> Reply | None:
        reply = server._answer(asked)
        reply.headers |= told if asked.method == "HEAD" else {}
        return reply

    with FakeS3({"b": {"m": LARGE}}, instead=instead) as server:
        found = bytearray()
        with pytest.raises(IntegrityError, match="read s3://b/m: .* crc64nvme"):
            for chunk in Storage.stream("s3://b/m", config=server.config):
                found += chunk
        assert found == LARGE
    with pytest.raises(ModelMissingError, match="^read "):
        next(Storage.stream("/no/such/file"))


def test_chunks_of_several_threads(large: FakeS3) -> None:
    """Each thread has its own iterator."""
    found: dict[int, bytes] = {}

    def consume(number: int) -> None:
        found[number] = b"".join(Storage.stream("s3://b/m", number * MiB, 9 * MiB, config=large.config))

    with large:
        threads = [threading.Thread(target=consume, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {number: LARGE[number * MiB : (number + 9) * MiB] for number in range(8)}


def test_an_interrupt_between_two_chunks(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """Ctrl-C during the wait for the next chunk ends the loop; later calls work."""
    program = """
        import _thread
        def interrupt():
            input()
            _thread.interrupt_main()
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            with Storage.stream("s3://b/large", config=config) as chunks:
                for chunk in chunks:
                    say("chunk", len(chunk))
        except KeyboardInterrupt:
            say("interrupted")
        say(Storage.read("s3://b/small", config=config))
    """
    with Script(program, here, server, environ=loop) as script:
        script.until(f"chunk {8 * MiB}")
        server.stalled.wait()
        script.tell()
        assert script.end() == (0, ["interrupted", "b'small'"], "")


def test_left_open_at_the_end_of_the_program(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = """
        chunks = Storage.stream("s3://b/n/31", config=config)
        say(len(next(chunks)))
    """
    assert run(program, here, server, environ=loop) == (0, ["31031"], "")


def test_left_open_at_a_fork(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """The child cannot continue the parent's iterator, and the parent is not affected."""
    program = """
        chunks = Storage.stream("s3://b/large", 0, 10 << 20, config=config)
        say(len(next(chunks)))
        child = os.fork()
        if not child:
            try:
                next(chunks)
            except StorageError as error:
                say(error)
            chunks.close()
            say(len(b"".join(Storage.stream("s3://b/n/31", config=config))))
            sys.exit()
        say(os.waitpid(child, 0)[1])
        say([len(chunk) for chunk in chunks])
    """
    said = "the object was opened before this process was forked (open it again)"
    expected = [str(8 << 20), said, "31031", "0", f"[{2 << 20}]"]
    assert run(program, here, server, environ=loop) == (0, expected, "")


@pytest.mark.parametrize("verb", [Storage.read, Storage.delete, StorageOperations.delete_object])
def test_a_uri_that_is_none(verb: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="unknown scheme"):
        verb("s4://b/k")


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir("from")
    (tmp_path / "from" / "a").write_bytes(b"a")
    assert Storage.upload("from", "to") is True
    assert Storage.copy("to/a", "b") == f"{tmp_path}/b"
    assert Storage.sync("from", "c") == Synced(1, 0, 0)
    assert Storage.read("c/a") == b"a"
    assert Storage.delete("to", recursive=True) == 1
    assert files_in(tmp_path) == {"from/a": b"a", "b": b"a", "c/a": b"a"}
