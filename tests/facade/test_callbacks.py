"""Code of the caller that calls `Storage` while a call of `Storage` runs."""

import logging
import signal
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, Storage, StorageOperations, UnsupportedOperation
from sealift.runtime.portal import Portal
from tests.api.servers import FakeS3

VERBS = {
    "read": lambda: Storage.read("/etc/hostname"),
    "open": lambda: list(Storage.open("/etc/hostname")),
    "list": lambda: StorageOperations.list_objects("/etc"),
    "download": lambda: Storage.download("/etc/hostname"),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_a_callback_gets_an_error_and_all_others_go_on(server: FakeS3, tmp_path: Path, verb: object) -> None:
    def on_event(event: Event) -> None:
        if event.kind == "object":
            assert callable(verb)
            verb()

    with pytest.raises(UnsupportedOperation, match="Storage was called in its own thread, in a callback such as"):
        Storage.download("s3://b/small", tmp_path / "small", config=server.config, on_event=on_event)
    Storage.download("s3://b/small", tmp_path / "small", config=server.config)
    assert (tmp_path / "small").read_bytes() == b"small"


def test_a_callback_may_catch_the_error(server: FakeS3, tmp_path: Path) -> None:
    caught: list[Exception] = []

    def on_event(event: Event) -> None:
        try:
            Storage.read("/etc/hostname")
        except UnsupportedOperation as error:
            caught.append(error)

    Storage.download("s3://b/p", tmp_path / "p", config=server.config, on_event=on_event)
    assert len(caught) >= 4


def test_a_handler_of_log_records(server: FakeS3, tmp_path: Path) -> None:
    """Records are logged in the thread, too."""
    log, caught = logging.getLogger("tests.callbacks"), list[Exception]()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                Storage.read("/etc/hostname")
            except UnsupportedOperation as error:
                caught.append(error)

    handler = Handler()
    log.addHandler(handler)
    try:
        Storage.download(
            "s3://b/small", tmp_path / "small", config=server.config, on_event=lambda event: log.warning(event.kind)
        )
    finally:
        log.removeHandler(handler)
    assert caught


@pytest.mark.anyio
async def test_a_callback_of_another_loop(server: FakeS3, tmp_path: Path) -> None:
    """It blocks that loop, but not the thread of `Storage`."""
    read: list[bytes] = []

    def on_event(event: Event) -> None:
        read.append(Storage.read("s3://b/other", config=server.config))

    await AsyncStorage().download("s3://b/small", tmp_path / "small", config=server.config, on_event=on_event)
    assert set(read) == {b"other"}


def test_a_signal_handler_during_the_first_call() -> None:
    """The main thread waits for the start of the loop's thread, with the lock held."""
    results: list[int] = []
    opened: list[str] = []

    @asynccontextmanager
    async def open_resource() -> AsyncGenerator[int]:
        opened.append("open")
        if len(opened) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        yield len(opened)
        opened.append("closed")

    async def work(resource: int) -> int:
        return resource

    portal = Portal(open_resource)
    previous = signal.signal(signal.SIGUSR1, lambda *_: results.append(portal.call(work)))
    try:
        portal.call(work)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert len(results) == 1
    portal._close()
    assert opened.count("open") == opened.count("closed")


def test_a_call_that_fails_before_it_is_a_coroutine() -> None:
    @asynccontextmanager
    async def open_resource() -> AsyncGenerator[int]:
        yield 1

    async def work(resource: int) -> int:
        return resource

    def broken(_resource: int) -> Coroutine[Any, Any, int]:
        raise TypeError("not one argument")

    portal = Portal(open_resource)
    with pytest.raises(TypeError, match="not one argument"):
        portal.call(broken)
    assert portal.call(work) == 1
    portal._close()
