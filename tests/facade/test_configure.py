"""`sealift.configure`: the configuration and limits of `Storage`, for the whole process."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import sealift
from sealift import AsyncStorage, InvalidConfig, Limits, S3Config, Storage, StorageOperations
from sealift.api import facade_thread
from sealift.types import MiB
from tests.api.servers import FakeS3, pattern
from tests.facade.conftest import OBJECTS
from tests.facade.scripts import run
from tests.facade.test_fork import CHILD

LARGE = pattern(40 * MiB)


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    """Restore the settings of the process."""
    yield
    sealift.configure()


@pytest.fixture
def one() -> Iterator[FakeS3]:
    """The service of the environment."""
    with FakeS3({"b": {"m": b"one", "stalled": b"one stalled", "large": LARGE}}, stall={"stalled": 3}) as server:
        yield server


@pytest.fixture
def two() -> Iterator[FakeS3]:
    """A service that only the settings of the process name."""
    with FakeS3({"b": {"m": b"two", "large": b"other"}, "c": {"m": b"two"}}) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(one: FakeS3, monkeypatch: pytest.MonkeyPatch, bare_environment: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", one.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    sealift.configure()


async def limits_of(storage: AsyncStorage) -> Limits:
    return storage._lifetime.limits


def current_limits() -> Limits:
    """The limits that a call has that begins now."""
    return facade_thread.run(limits_of)


def test_later_calls_use_it_until_it_is_replaced(two: FakeS3) -> None:
    assert Storage.read("s3://b/m") == b"one"
    sealift.configure(config=two.config)
    assert Storage.read("s3://b/m") == b"two"
    assert StorageOperations.list_objects("s3://c/") == ["m"]
    assert list(Storage.open("s3://b/m")) == [b"two"]
    assert Storage.download_many(["s3://b/m"])
    sealift.configure(limits=Limits(attempts=1))  # replaces all settings
    assert Storage.read("s3://b/m") == b"one"
    sealift.configure(config={"s3://c/": two.config})
    assert Storage.read("s3://b/m") == b"one"
    assert Storage.read("s3://c/m") == b"two"
    sealift.configure()
    assert Storage.read("s3://b/m") == b"one"


def test_a_call_s_own_configuration_takes_precedence(one: FakeS3, two: FakeS3) -> None:
    sealift.configure(config=two.config)
    assert Storage.read("s3://b/m", config=one.config) == b"one"


@pytest.mark.anyio
async def test_other_instances_have_their_own(two: FakeS3) -> None:
    sealift.configure(config=two.config, limits=Limits(connections=3))
    assert await AsyncStorage().read("s3://b/m") == b"one"
    assert await limits_of(AsyncStorage()) == Limits()


def test_limits() -> None:
    assert current_limits() == Limits()
    sealift.configure(limits=Limits(memory=MiB))
    assert current_limits() == Limits(memory=MiB)
    sealift.configure()
    assert current_limits() == Limits()


def test_variables_are_read_if_no_limits_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALIFT_CONNECTIONS", "5")
    assert current_limits() == Limits()  # read already
    sealift.configure()
    assert current_limits() == Limits(connections=5)
    sealift.configure(limits=Limits(memory=MiB))
    assert current_limits() == Limits(memory=MiB)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": "s3://b"}, "str is not a configuration"),
        ({"config": Limits()}, r"Limits is not a configuration \(pass it as limits="),
        ({"config": {"gs://": S3Config()}}, "gs://: S3Config is not for gs://"),
        ({"limits": S3Config()}, "S3Config is not Limits"),
        ({}, "SEALIFT_MEMORY is 'much'"),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    two: FakeS3, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    sealift.configure(config=two.config, limits=Limits(connections=3))
    monkeypatch.setenv("SEALIFT_MEMORY", "much")
    with pytest.raises(InvalidConfig, match=message):
        sealift.configure(**arguments)
    monkeypatch.delenv("SEALIFT_MEMORY")
    assert Storage.read("s3://b/m") == b"two"
    assert current_limits() == Limits(connections=3)


def test_running_calls_keep_what_they_began_with(one: FakeS3, two: FakeS3, tmp_path: Path) -> None:
    """A download that is under way, an iterator that is open, and one that has not begun to read."""
    with ThreadPoolExecutor(1) as pool:
        download = pool.submit(Storage.download, "s3://b/stalled", tmp_path / "stalled")
        one.stalled.wait()
        opened, waiting = Storage.open("s3://b/large"), Storage.open("s3://b/m")
        first = next(opened)
        sealift.configure(config=two.config, limits=Limits(connections=3))
        assert Storage.read("s3://b/m") == b"two"
        assert b"".join([first, *opened]) == LARGE
        assert list(waiting) == [b"one"]
        assert not download.done()
        one.release()
        assert download.result() == f"{tmp_path}/stalled"
    assert (tmp_path / "stalled").read_bytes() == b"one stalled"


def test_many_threads_at_once(one: FakeS3, two: FakeS3) -> None:
    together = threading.Barrier(8)

    def work(number: int) -> set[bytes]:
        together.wait()
        found = set()
        for _ in range(20):
            if number % 2:
                sealift.configure(config=(one, two)[number % 4 // 2].config, limits=Limits(connections=number))
            found.add(Storage.read("s3://b/m"))
        return found

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(work, range(8))) <= {b"one", b"two"}
    sealift.configure(config=two.config)
    assert Storage.read("s3://b/m") == b"two"
    threads = [thread for thread in threading.enumerate() if thread.name == "sealift"]
    assert len(threads) == 1


def test_a_forked_process_keeps_the_settings(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = (
        CHILD
        + """
        def read(key):
            say(Storage.read(f"s3://b/{key}").decode())

        def child():
            read("other")
            sealift.configure()   # in this process only
            try:
                read("other")
            except StorageError as error:
                say(type(error).__name__)

        sealift.configure(config=config)
        say(reap(in_child(child)))    # before the first call
        read("small")
        say(reap(in_child(child)))    # and after it
        read("small")
        """
    )
    # Without settings, there are no credentials.
    expected = ["other", "AccessDenied", "0", "small"]
    assert run(program, here, server, environ=loop) == (0, [*expected, *expected], "")
    assert OBJECTS["small"] == b"small"


def test_variables_that_cannot_be_used_fail_each_call(server: FakeS3, here: Path) -> None:
    program = """
        for _ in range(2):
            try:
                Storage.read("s3://b/small", config=config)
            except StorageError as error:
                say(error)
        sealift.configure(limits=sealift.Limits())
        say(Storage.read("s3://b/small", config=config).decode())
    """
    said = "the environment variable SEALIFT_PER_HOST is 'all' (set it to a whole number, more than 0)"
    assert run(program, here, server, environ={"SEALIFT_PER_HOST": "all"}) == (0, [said, said, "small"], "")


def test_variables_set_the_limits_of_a_process(server: FakeS3, here: Path) -> None:
    program = """
        from sealift.api import facade_thread
        async def limits_of(storage):
            return storage._lifetime.limits
        say(Storage.read("s3://b/small", config=config).decode(), facade_thread.run(limits_of))
    """
    environ = {"SEALIFT_MEMORY": "64MiB", "SEALIFT_PATIENCE": "2.5"}
    expected = "small Limits(memory=67108864, patience=2.5)"
    assert run(program, here, server, environ=environ) == (0, [expected], "")
