"""Calls from threads and event loops of this process."""

import contextvars
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from sealift import (
    AsyncStorage,
    Event,
    InvalidConfig,
    InvalidURI,
    ModelMissingError,
    S3Config,
    Storage,
    StorageOperations,
    UnsupportedOperation,
)
from tests.api.helpers import all_in, config_of, files_in
from tests.api.servers import FakeS3
from tests.facade.conftest import OBJECTS
from tests.facade.scripts import run
from tests.services.s3 import MakeBucket, S3Service, put_objects


@pytest.fixture
def bucket(seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
    name = make_bucket(seaweedfs)
    put_objects(seaweedfs, name, {key: data for key, data in OBJECTS.items() if "large" not in key})
    return name


def test_without_a_loop(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    config = config_of(seaweedfs)
    events: list[Event] = []
    path = Storage.download(f"s3://{bucket}/small", tmp_path / "file", config=config, on_event=events.append)
    assert path == str(tmp_path / "file")
    assert [event.kind for event in events] == ["listed", "progress", "object"]
    assert Storage.download(f"s3://{bucket}/p", f"{tmp_path}/p", config=config) == f"{tmp_path}/p"
    assert files_in(tmp_path) == {"file": b"small", "p/0": b"zero", "p/1": b"one"}
    assert sorted(StorageOperations.list_objects(f"s3://{bucket}/p", config=config)) == ["0", "1"]
    assert StorageOperations.get_object_metadata(f"s3://{bucket}/small", config=config)["size"] == 5
    Storage.download(f"s3://{bucket}/n", tmp_path / "some", config=config, allow_patterns="1?", ignore_patterns=["12"])
    assert sorted(os.listdir(tmp_path / "some")) == [str(number) for number in range(10, 20) if number != 12]


def test_without_a_request() -> None:
    assert Storage.is_local("/models/iris")
    assert not Storage.is_local("s3://models/iris")
    assert Storage.get_storage_spec("s3://models/iris/") == {"type": "s3", "bucket": "models", "path": "iris/"}


def test_errors_reach_the_caller(seaweedfs: S3Service, bucket: str) -> None:
    with pytest.raises(ModelMissingError) as caught:
        Storage.download(f"s3://{bucket}/none", config=config_of(seaweedfs))
    assert str(caught.value).startswith(f"download s3://{bucket}/none: there is no object 'none'")
    with pytest.raises(InvalidURI):
        StorageOperations.list_objects("s3://")
    with pytest.raises(UnsupportedOperation):
        StorageOperations.delete_object("https://127.0.0.1:1/object")
    with pytest.raises(InvalidConfig, match="dest=… is of type int"):
        Storage.download(f"s3://{bucket}/small", 3, config=config_of(seaweedfs))  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_inside_a_running_loop_s_thread(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    config = config_of(seaweedfs)
    Storage.download(f"s3://{bucket}/small", tmp_path / "sync", config=config)
    await AsyncStorage().download(f"s3://{bucket}/small", tmp_path / "async", config=config)
    await anyio.to_thread.run_sync(lambda: Storage.download(f"s3://{bucket}/other", tmp_path / "thread", config=config))
    assert StorageOperations.list_objects(f"s3://{bucket}/p/", config=config) == ["0", "1"]
    assert files_in(tmp_path) == {"sync": b"small", "async": b"small", "thread": b"other"}


def test_thirty_two_threads_at_once(seaweedfs: S3Service, bucket: str, tmp_path: Path) -> None:
    config, together = config_of(seaweedfs), threading.Barrier(32)

    def download(number: int) -> str:
        together.wait()
        return Storage.download(f"s3://{bucket}/n/{number}", tmp_path / str(number), config=config)

    with ThreadPoolExecutor(32) as pool:
        paths = list(pool.map(download, range(32)))
    assert paths == [str(tmp_path / str(number)) for number in range(32)]
    assert files_in(tmp_path) == {str(number): OBJECTS[f"n/{number}"] for number in range(32)}
    assert not any(".sealift" in path for path in all_in(tmp_path))


def test_the_first_calls_of_a_process_at_once(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = """
        together = threading.Barrier(32)
        def download(number):
            together.wait()
            Storage.download(f"s3://b/n/{number}", HERE / str(number), config=config)
        threads = [threading.Thread(target=download, args=(number,)) for number in range(32)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        say(len([thread for thread in threading.enumerate() if thread.name == "sealift"]), "engine")
    """
    assert run(program, here, server, environ=loop) == (0, ["1 engine"], "")
    assert files_in(here) == {str(number): OBJECTS[f"n/{number}"] for number in range(32)}


def test_one_failure_among_many(server: FakeS3, tmp_path: Path) -> None:
    def download(number: int) -> str:
        try:
            return Storage.download(f"s3://b/n/{number}", tmp_path / str(number), config=server.config)
        except ModelMissingError as error:
            return error.path

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(download, range(24, 40)))
    assert found == [str(tmp_path / str(number)) if number < 32 else f"n/{number}" for number in range(24, 40)]


def test_events_come_in_the_caller_s_context(server: FakeS3, tmp_path: Path) -> None:
    request = contextvars.ContextVar[str]("request")
    request.set("mine")
    seen: set[tuple[str, bool]] = set()

    def told(event: Event) -> None:
        seen.add((request.get(), threading.current_thread() is threading.main_thread()))

    Storage.download("s3://b/small", tmp_path / "small", config=server.config, on_event=told)
    assert seen == {("mine", False)}


def test_the_loop_is_the_one_asked_for(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = """
        import asyncio
        loops = []
        Storage.download("s3://b/small", HERE / "small", config=config,
                         on_event=lambda event: loops.append(type(asyncio.get_running_loop()).__module__))
        say(loops[0].split(".")[0])
    """
    assert run(program, here, server, environ=loop) == (0, [loop["SEALIFT_LOOP"]], "")


def test_a_loop_that_there_is_not(server: FakeS3, here: Path) -> None:
    """Every call raises the error, and the process ends."""
    program = """
        for _ in range(2):
            try:
                Storage.download("s3://b/small", HERE / "small", config=config)
            except StorageError as error:
                say(error)
    """
    said = "the environment variable SEALIFT_LOOP is 'curio' (set it to asyncio or uvloop)"
    assert run(program, here, server, environ={"SEALIFT_LOOP": "curio"}) == (0, [said, said], "")


def test_importing_loads_neither_a_loop_nor_an_sdk(here: Path) -> None:
    program = """
        heavy = ("asyncio", "botocore", "aiobotocore", "ssl", "h11", "anyio")
        say([name for name in heavy if name in sys.modules])
        say(Storage.is_local("/x"), threading.active_count())
    """
    assert run(program, here) == (0, ["[]", "True 1"], "")


def test_config_is_taken_by_its_place(server: FakeS3, tmp_path: Path) -> None:
    config = S3Config("AKIAFAKE", "secret", "us-east-1", server.endpoint, False)
    Storage.download("s3://b/small", str(tmp_path / "small"), config=config)
    assert files_in(tmp_path) == {"small": b"small"}
