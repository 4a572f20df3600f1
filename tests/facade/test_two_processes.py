"""Two processes download to one destination: the second one waits for the first, or takes over when that one ends."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import Signals

import pytest

from tests.api.helpers import all_in, files_in, open_files
from tests.api.servers import FakeS3
from tests.api.test_download_resumed import fetched
from tests.facade.conftest import OBJECTS
from tests.facade.scripts import Script

LARGE = OBJECTS["large"]
DIRECTORY = {"0": OBJECTS["q/0"], "large": OBJECTS["q/large"]}

# Reports the first stored bytes; the server sends the last ones when released.
PROGRAM = """
        landed = []
        def told(event):
            if event.kind == "progress" and not landed:
                landed.append(event)
                say("under way")
        say(Storage.download(os.environ["URI"], HERE / "dest", config=config, on_event=told))
"""


@pytest.fixture
def together(server: FakeS3, here: Path, loop: dict[str, str]) -> Iterator["Together"]:
    with ExitStack() as stack:
        yield Together(stack, server, here, loop)


class Together:
    """Two processes that make the same call. The second one starts when the first one has 12 MiB of 20, and waits."""

    def __init__(self, stack: ExitStack, server: FakeS3, here: Path, loop: dict[str, str]) -> None:
        self._stack = stack
        self.server = server
        self._here = here
        self._environ = loop

    def begin(self, uri: str) -> list[Script]:
        environ = {**self._environ, "URI": uri}
        first = self._stack.enter_context(Script(PROGRAM, self._here, self.server, environ=environ))
        first.until("under way")
        assert self.server.stalled.wait(30)
        second = self._stack.enter_context(Script(PROGRAM, self._here, self.server, environ=environ))
        while not has_journal(second.pid):
            time.sleep(0.01)
        return [first, second]

    def end_well(self, uri: str) -> None:
        first, second = self.begin(uri)
        self.server.release()
        assert first.end() == (0, [str(self._here / "dest")], "")
        # The event of the second one says how much the first one has stored.
        assert second.end() == (0, ["under way", str(self._here / "dest")], "")
        assert len(fetched(self.server)) == len(set(fetched(self.server)))


def has_journal(pid: int) -> bool:
    return any(target.endswith(".journal") for target in open_files(pid))


def test_one_large_object(together: Together, here: Path) -> None:
    together.end_well("s3://b/large")
    assert files_in(here) == {"dest": LARGE}
    assert all_in(here) == {"dest"}


@pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
def test_a_prefix(together: Together, here: Path, there: bool) -> None:
    if there:
        (here / "dest").mkdir()
        (here / "dest" / "mine").write_bytes(b"mine")
    together.end_well("s3://b/q")
    assert files_in(here / "dest") == DIRECTORY | ({"mine": b"mine"} if there else {})
    assert all_in(here) == {"dest", *(f"dest/{name}" for name in os.listdir(here / "dest"))}


@pytest.mark.parametrize("signal", ["SIGINT", "SIGKILL"])
@pytest.mark.parametrize("ended", [0, 1], ids=["the first", "the second"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("uri", ["s3://b/large", "s3://b/q"])
def test_one_ends(together: Together, here: Path, uri: str, there: bool, ended: int, signal: str) -> None:
    """The other one continues from what is on disk, and leaves nothing behind."""
    if there and uri == "s3://b/q":
        (here / "dest").mkdir()
    scripts = together.begin(uri)
    if signal == "SIGINT":
        scripts[ended].interrupt()
    else:
        os.kill(scripts[ended].pid, Signals.SIGKILL)
    assert scripts[ended].end()[0] != 0
    together.server.release()
    assert scripts[1 - ended].end()[0] == 0
    one = uri == "s3://b/large"
    assert files_in(here) == ({"dest": LARGE} if one else {f"dest/{path}": data for path, data in DIRECTORY.items()})
    assert not [path for path in all_in(here) if ".sealift" in path]
    # Twice at most: the parts that were not complete, from their beginning.
    assert sum(fetched(together.server).count(part) > 1 for part in set(fetched(together.server))) <= 3
