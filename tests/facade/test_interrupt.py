"""Ctrl-C: a real SIGINT from outside, while the main thread waits for a transfer."""

import signal
from pathlib import Path

import pytest

from tests.api.helpers import visible_in
from tests.api.servers import FakeS3
from tests.facade.scripts import Script

# Reports when part of an object has been stored, or when a small object has been listed.
TOLD = """
        import tempfile
        tempfile.tempdir = str(HERE)
        counted = [0]
        def told(event):
            counted[0] += event.kind == wanted
            if event.kind == wanted and counted[0] == 1:
                say("under way")
        wanted = "progress"
"""

CALLS = {
    "a large object": 'Storage.download("s3://b/large", HERE / "dest", config=config, on_event=told)',
    "into a new directory": 'Storage.download("s3://b/q", HERE / "dest", config=config, on_event=told)',
    "without a destination": 'Storage.download("s3://b/large", None, config=config, on_event=told, cache=False)',
    "a prefix without a destination": 'Storage.download("s3://b/q", None, config=config, on_event=told, cache=False)',
    "a stalled object": 'wanted = "listed"; Storage.download("s3://b/stalled", HERE, config=config, on_event=told)',
}


@pytest.mark.parametrize("call", CALLS)
def test_it_ends_the_call_and_leaves_nothing(server: FakeS3, here: Path, loop: dict[str, str], call: str) -> None:
    program = (
        TOLD
        + f"""
        try:
            {CALLS[call]}
        except KeyboardInterrupt:
            say("interrupted", visible())
        Storage.download("s3://b/small", HERE / "next", config=config)
        sys.exit(9)
    """
    )
    with Script(program, here, server, environ=loop) as script:
        script.until("under way")
        assert server.stalled.wait(30)
        script.interrupt()
        assert script.end() == (9, ["interrupted []"], "")
    assert visible_in(here) == {"next"}
    assert (here / "next").read_bytes() == b"small"


def test_an_existing_directory_keeps_what_is_whole(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    (here / "dest").mkdir()
    program = (
        TOLD
        + """
        wanted = "object"
        try:
            Storage.download("s3://b/q", HERE / "dest", config=config, on_event=told)
        except KeyboardInterrupt:
            say("interrupted")
    """
    )
    with Script(program, here, server, environ=loop) as script:
        script.until("under way")
        assert server.stalled.wait(30)
        script.interrupt()
        assert script.end() == (0, ["interrupted"], "")
    assert visible_in(here) == {"dest", "dest/0"}
    assert (here / "dest" / "0").read_bytes() == b"zero"


def test_a_program_that_does_not_catch_it(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """The program ends like any interrupted Python program."""
    program = TOLD + CALLS["a large object"].join(("        ", "\n"))
    with Script(program, here, server, environ=loop) as script:
        script.until("under way")
        assert server.stalled.wait(30)
        script.interrupt()
        status, lines, complaints = script.end()
    assert (status, lines) == (-signal.SIGINT, [])
    assert complaints.strip().endswith("KeyboardInterrupt")
    assert visible_in(here) == set()


def test_a_question_can_be_interrupted(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """The server accepts the connection and never replies."""
    program = """
        import socket
        silent = socket.create_server(("127.0.0.1", 0))
        config = S3Config("A", "secret", endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        def accept():
            connection, _ = silent.accept()
            connection.recv(10)
            say("asked")
            connections.append(connection)
        connections = []
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            StorageOperations.list_objects("s3://b/x/", config=config)
        except KeyboardInterrupt:
            say("interrupted")
        thread.join()
        for each in (silent, *connections): each.close()
    """
    with Script(program, here, server, environ=loop) as script:
        script.until("asked")
        script.interrupt()
        assert script.end() == (0, ["interrupted"], "")


@pytest.mark.parametrize("caught", [True, False])
def test_a_second_one_ends_the_wait_for_a_cleanup_that_hangs(
    server: FakeS3, here: Path, loop: dict[str, str], caught: bool
) -> None:
    """A write that never returns, as on a dead network mount, blocks the cleanup but not the exit."""
    program = (
        TOLD
        + f"""
        never = threading.Event()
        def pwrite(*_):
            say("writing")
            never.wait()
        os.pwrite = pwrite
        from sealift.runtime import portal
        cancel = portal._LoopThread._cancel
        def cancelling(call):
            say("cancelling")
            cancel(call)
        portal._LoopThread._cancel = staticmethod(cancelling)
        try:
            Storage.download("s3://b/small", HERE / "dest", config=config)
        except KeyboardInterrupt as error:
            say("interrupted", type(error.__context__).__name__)
            if not {caught}:
                raise
        sys.exit(4)
    """
    )
    with Script(program, here, server, environ=loop) as script:
        script.until("writing")
        script.interrupt()
        script.until("cancelling")
        script.interrupt()
        status, lines, complaints = script.end()
    assert lines == ["interrupted KeyboardInterrupt"]
    assert status == (4 if caught else -signal.SIGINT)
    assert not caught or complaints == ""
    assert not (here / "dest").exists()


def test_in_a_loop_of_the_program_s_own(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """`AsyncStorage` in a program's own `asyncio.Runner`, which cancels the call; no file is left."""
    program = (
        TOLD
        + """
        import asyncio
        from sealift import AsyncStorage
        from sealift.runtime.event_loop import loop_factory
        async def main():
            async with AsyncStorage() as storage:
                await storage.download("s3://b/q", HERE / "dest", config=config, on_event=told)
        try:
            with asyncio.Runner(loop_factory=loop_factory(os.environ)) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            say("interrupted", visible())
    """
    )
    with Script(program, here, server, environ=loop) as script:
        script.until("under way")
        assert server.stalled.wait(30)
        script.interrupt()
        assert script.end() == (0, ["interrupted []"], "")
