"""A forked child gets its own engine, whatever its parent is doing."""

from pathlib import Path

import pytest

from tests.api.helpers import files_in
from tests.api.servers import FakeS3
from tests.facade.conftest import OBJECTS
from tests.facade.scripts import Script, run

# Functions that fork a child, wait for its exit status, and download.
CHILD = """
        def in_child(function):
            pid = os.fork()
            if pid == 0:
                try:
                    function()
                except BaseException as error:
                    say("child:", repr(error))
                    os._exit(1)
                os._exit(0)
            return pid

        def reap(pid):
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        def get(key, dest):
            Storage.download(f"s3://b/{key}", HERE / dest, config=config)
"""


def test_a_parent_that_has_used_it(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = (
        CHILD
        + """
        get("small", "before")
        pid = in_child(lambda: (get("other", "in child"), get("p", "prefix in child")))
        get("other", "beside")
        say(reap(pid))
        get("small", "after")
    """
    )
    assert run(program, here, server, environ=loop) == (0, ["0"], "")
    assert files_in(here) == {
        "before": b"small",
        "in child": b"other",
        "prefix in child/0": b"zero",
        "prefix in child/1": b"one",
        "beside": b"other",
        "after": b"small",
    }


def test_a_parent_that_has_not(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = (
        CHILD
        + """
        say(reap(in_child(lambda: get("small", "child"))))
        get("other", "parent")
    """
    )
    assert run(program, here, server, environ=loop) == (0, ["0"], "")
    assert files_in(here) == {"child": b"small", "parent": b"other"}


def test_while_a_download_is_under_way(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """Another thread of the parent downloads; the child neither disturbs nor inherits that download."""
    program = (
        CHILD
        + """
        started = threading.Event()
        def told(event):
            if event.kind == "listed":
                started.set()
        thread = threading.Thread(
            target=lambda: Storage.download("s3://b/stalled", HERE / "stalled", config=config, on_event=told))
        thread.start()
        started.wait()
        say("under way")
        sys.stdin.readline()
        say(reap(in_child(lambda: (get("other", "child"), get("q/0", "child too")))))
        sys.stdin.readline()
        thread.join()
        get("small", "after")
    """
    )
    with Script(program, here, server, environ=loop) as script:
        script.until("under way")
        assert server.stalled.wait(30)
        script.tell()
        script.until("0")
        server.release()
        script.tell()
        assert script.end() == (0, [], "")
    assert files_in(here) == {
        "stalled": OBJECTS["stalled"],
        "child": b"other",
        "child too": b"zero",
        "after": b"small",
    }


def test_again_and_again_among_busy_threads(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """Other threads may hold any lock at the time of the fork."""
    program = (
        CHILD
        + """
        done = threading.Event()
        def busy(number):
            while not done.is_set():
                get(f"n/{number}", f"busy {number}")
        threads = [threading.Thread(target=busy, args=(number,)) for number in range(4)]
        get("small", "first")
        for thread in threads: thread.start()
        say([reap(in_child(lambda: get(f"n/{number}", f"child {number}"))) for number in range(10, 16)])
        done.set()
        for thread in threads: thread.join()
    """
    )
    assert run(program, here, server, environ=loop) == (0, [str([0] * 6)], "")
    assert files_in(here) == {
        "first": b"small",
        **{f"busy {number}": OBJECTS[f"n/{number}"] for number in range(4)},
        **{f"child {number}": OBJECTS[f"n/{number}"] for number in range(10, 16)},
    }


def test_a_grandchild(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = (
        CHILD
        + """
        def child():
            get("n/1", "child")
            if reap(in_child(lambda: get("n/2", "grandchild"))):
                raise SystemError
            get("n/3", "child after")
        get("n/0", "parent")
        say(reap(in_child(child)))
        get("n/4", "parent after")
    """
    )
    assert run(program, here, server, environ=loop) == (0, ["0"], "")
    assert files_in(here) == {
        name: OBJECTS[f"n/{number}"]
        for number, name in enumerate(["parent", "child", "grandchild", "child after", "parent after"])
    }


def test_a_child_that_ends_as_programs_do(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    """The child exits through its exit handlers, with and without a download."""
    program = """
        Storage.download("s3://b/small", HERE / "parent", config=config)
        for number in range(2):
            pid = os.fork()
            if pid == 0:
                if number:
                    Storage.download("s3://b/other", HERE / "child", config=config)
                sys.exit(40 + number)
            say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    assert run(program, here, server, environ=loop) == (0, ["40", "41"], "")
    assert files_in(here) == {"parent": b"small", "child": b"other"}


def test_a_child_that_is_forked_inside_a_call(server: FakeS3, here: Path) -> None:
    """A callback forks in the engine's thread: the child must not wait for itself."""
    program = """
        import subprocess
        def told(event):
            if event.kind == "listed":
                subprocess.run([sys.executable, "-c", "print('hook', flush=True)"], check=True)
        Storage.download("s3://b/small", HERE / "small", config=config, on_event=told)
    """
    assert run(program, here, server) == (0, ["hook"], "")
    assert files_in(here) == {"small": b"small"}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_daemonic_process(server: FakeS3, here: Path, loop: dict[str, str], method: str) -> None:
    (here / "worker.py").write_text(
        "from sealift import S3Config, Storage\n"
        "def work(endpoint, dest):\n"
        "    config = S3Config('AKIAFAKE', 'secret', endpoint_url=endpoint)\n"
        "    Storage.download('s3://b/other', dest, config=config)\n"
        "    Storage.download('s3://b/p', dest + ' prefix', config=config)\n"
    )
    program = f"""
        import multiprocessing
        sys.path.insert(0, str(HERE))
        import worker
        Storage.download("s3://b/small", HERE / "parent", config=config)
        context = multiprocessing.get_context({method!r})
        process = context.Process(target=worker.work, args=(config.endpoint_url, str(HERE / "child")), daemon=True)
        process.start()
        process.join()
        say(process.exitcode)
    """
    environ = {**loop, "PYTHONDONTWRITEBYTECODE": "1"}
    assert run(program, here, server, environ=environ) == (0, ["0"], "")
    found = files_in(here)
    del found["worker.py"]
    assert found == {"parent": b"small", "child": b"other", "child prefix/0": b"zero", "child prefix/1": b"one"}


def test_a_pool_of_processes(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = """
        import multiprocessing
        Storage.download("s3://b/small", HERE / "parent", config=config)
        def work(number):
            return Storage.download(f"s3://b/n/{number}", HERE / str(number), config=config)
        with multiprocessing.get_context("fork").Pool(3) as pool:
            say(pool.map(work, range(12)) == [str(HERE / str(number)) for number in range(12)])
    """
    assert run(program, here, server, environ=loop) == (0, ["True"], "")
    assert files_in(here) == {
        "parent": b"small",
        **{str(number): OBJECTS[f"n/{number}"] for number in range(12)},
    }
