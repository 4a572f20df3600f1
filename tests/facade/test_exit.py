"""Interpreter exit: running calls finish, new ones fail, nothing hangs, the program's exit status is kept."""

from pathlib import Path

import pytest

from tests.api.helpers import all_in, files_in
from tests.api.servers import FakeS3
from tests.facade.conftest import OBJECTS
from tests.facade.scripts import Script, run

REFUSED = "the interpreter is exiting (finish transfers before the program exits)"

# Reports the end of the main thread.
WATCH = """
        def watch():
            threading.main_thread().join()
            say("main has ended")
"""


@pytest.mark.parametrize("daemon", [False, True])
def test_a_running_call_finishes(server: FakeS3, here: Path, loop: dict[str, str], daemon: bool) -> None:
    program = (
        WATCH
        + f"""
        def told(event):
            if event.kind == "listed":
                say("under way")
        threading.Thread(
            target=lambda: Storage.download("s3://b/stalled", HERE / "stalled", config=config, on_event=told),
            daemon={daemon},
        ).start()
        sys.stdin.readline()
        threading.Thread(target=watch, daemon=True).start()
    """
    )
    with Script(program, here, server, environ=loop) as script:
        script.until("under way")
        assert server.stalled.wait(30)
        script.tell()
        script.until("main has ended")
        assert all_in(here) - {".sealift"} <= {path for path in all_in(here) if path.startswith(".sealift/")}
        server.release()
        assert script.end() == (0, [], "")
    assert files_in(here) == {"stalled": OBJECTS["stalled"]}
    assert all_in(here) == {"stalled"}


def test_a_thread_that_begins_after_the_main_one_has_ended(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = """
        def late():
            threading.main_thread().join()
            Storage.download("s3://b/p", HERE / "p", config=config)
            say("late but done")
        threading.Thread(target=late).start()
    """
    assert run(program, here, server, environ=loop) == (0, ["late but done"], "")
    assert files_in(here) == {"p/0": b"zero", "p/1": b"one"}


@pytest.mark.parametrize("registered", ["before the first call", "after the first call", "without a first call"])
def test_a_call_from_an_exit_handler(server: FakeS3, here: Path, loop: dict[str, str], registered: str) -> None:
    """The call fails, whether it runs before or after sealift's exit handler."""
    program = f"""
        import atexit, time
        def last():
            for call in (lambda: Storage.download("s3://b/other", HERE / "other", config=config),
                         lambda: StorageOperations.list_objects("s3://b/p", config=config)):
                began = time.monotonic()
                try:
                    call()
                except StorageError as error:
                    say(type(error).__name__, error)
                say(time.monotonic() - began < 10)
        order = {registered!r}
        if order == "before the first call":
            atexit.register(last)
        if order != "without a first call":
            Storage.download("s3://b/small", HERE / "small", config=config)
        if order != "before the first call":
            atexit.register(last)
        sys.exit(7)
    """
    said = [f"ClosedError {REFUSED}", "True"]
    assert run(program, here, server, environ=loop) == (7, said + said, "")
    assert files_in(here) == ({} if registered == "without a first call" else {"small": b"small"})


def test_a_call_from_a_thread_in_an_exit_handler(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """The call succeeds or fails, and the process ends."""
    program = """
        import atexit
        go, over = threading.Event(), threading.Event()
        def work():
            go.wait()
            try:
                Storage.download("s3://b/other", HERE / "other", config=config)
                say("done")
            except StorageError as error:
                say("refused")
            over.set()
        Storage.download("s3://b/small", HERE / "small", config=config)
        atexit.register(lambda: (go.set(), over.wait()))
        threading.Thread(target=work, daemon=True).start()
    """
    status, lines, complaints = run(program, here, server, environ=loop)
    assert (status, complaints) == (0, "")
    assert files_in(here) == {"done": {"small": b"small", "other": b"other"}, "refused": {"small": b"small"}}[lines[0]]


@pytest.mark.parametrize(
    ("end", "status", "complaint"),
    [
        ("sys.exit(3)", 3, ""),
        ("pass", 0, ""),
        ("raise LookupError('the program failed')", 1, "LookupError: the program failed"),
        ("os._exit(5)", 5, ""),
    ],
)
def test_the_status_is_the_program_s(
    server: FakeS3, here: Path, loop: dict[str, str], end: str, status: int, complaint: str
) -> None:
    program = f"""
        Storage.download("s3://b/small", HERE / "small", config=config)
        {end}
    """
    found, lines, complaints = run(program, here, server, environ=loop)
    assert (found, lines) == (status, [])
    assert complaints.strip().rpartition("\n")[2] == complaint


def test_a_call_that_fails_while_the_program_ends(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = (
        WATCH
        + """
        def told(event):
            if event.kind == "listed":
                say("under way")
        def work():
            try:
                Storage.download("s3://b/stalled", HERE / "stalled", config=config, on_event=told)
            except StorageError as error:
                say(type(error).__name__)
        threading.Thread(target=work).start()
        sys.stdin.readline()
        threading.Thread(target=watch, daemon=True).start()
    """
    )
    with Script(program, here, server, environ=loop) as script:
        script.until("under way")
        assert server.stalled.wait(30)
        script.tell()
        script.until("main has ended")
        server.replace("b", "stalled", b"another version")
        server.drop()
        assert script.end() == (0, ["ObjectChanged"], "")
    assert all_in(here) == set()
