"""Two processes download to one destination concurrently: both succeed, and the files are complete."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.helpers import all_in, files_in
from tests.api.servers import FakeS3
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
        say(Storage.download(os.environ["URI"], HERE / "dest", config, on_event=told))
"""


@pytest.fixture
def together(server: FakeS3, here: Path, loop: dict[str, str]) -> Iterator["Together"]:
    with ExitStack() as stack:
        yield Together(stack, server, here, loop)


class Together:
    """Two processes that make the same call, both started before either can finish."""

    def __init__(self, stack: ExitStack, server: FakeS3, here: Path, loop: dict[str, str]) -> None:
        self._stack = stack
        self._server = server
        self._here = here
        self._environ = loop

    def begin(self, uri: str) -> list[Script]:
        environ = {**self._environ, "URI": uri}
        scripts = [self._stack.enter_context(Script(PROGRAM, self._here, self._server, environ=environ)) for _ in "ab"]
        for script in scripts:
            script.until("under way")
        assert self._server.stalled.wait(30)
        return scripts

    def end_well(self, uri: str) -> None:
        scripts = self.begin(uri)
        self._server.release()
        for script in scripts:
            assert script.end() == (0, [str(self._here / "dest")], "")


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


@pytest.mark.parametrize("killed", [0, 1], ids=["the first", "the second"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "old"])
@pytest.mark.parametrize("uri", ["s3://b/large", "s3://b/q"])
def test_one_is_stopped(together: Together, here: Path, uri: str, there: bool, killed: int) -> None:
    """Ctrl-C stops one download halfway; the other one is not affected."""
    if there and uri == "s3://b/q":
        (here / "dest").mkdir()
    scripts = together.begin(uri)
    scripts[killed].interrupt()
    assert scripts[killed].end()[0] != 0
    together._server.release()
    assert scripts[1 - killed].end() == (0, [str(here / "dest")], "")
    # The process with the journal keeps it and its partial files for the next download; the other one leaves nothing.
    assert not [path for path in all_in(here) if re.search(r"/[0-9a-f]{16}(-\d+\.part|\.tree-)", path)]
    found = {path: data for path, data in files_in(here).items() if ".sealift" not in path.split("/")}
    one = uri == "s3://b/large"
    assert found == ({"dest": LARGE} if one else {f"dest/{path}": data for path, data in DIRECTORY.items()})
