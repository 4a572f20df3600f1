"""Programs without stdin, stdout and stderr: no file and no socket gets the numbers 0 to 2."""

from pathlib import Path

from tests.api.servers import FakeS3
from tests.facade.conftest import OBJECTS
from tests.facade.scripts import run

LOOK = """
    seen = set()
    def look(event):
        seen.update(os.readlink(f"/proc/self/fd/{number}") for number in range(3))
    def report(work):
        answer = os.dup(1)
        for number in range(3):
            os.close(number)
        try:
            work()
            text = repr(sorted(seen))
        except BaseException as error:
            text = repr(error)
        os.write(answer, text.encode() + b"\\n")
"""


def test_the_facade(server: FakeS3, here: Path, loop: dict[str, str]) -> None:
    program = """
    def work():
        Storage.download("s3://b/p", HERE / "p", config=config, on_event=look)
        try:
            os.write(1, b"printed by something else")
        except OSError as error:
            seen.add(str(error))
    report(work)
    """
    seen = "['/dev/null', '[Errno 9] Bad file descriptor']"
    assert run(LOOK + program, here, server, environ=loop) == (0, [seen], "")
    assert (here / "p/0").read_bytes() == OBJECTS["p/0"]


def test_the_own_loop_of_a_program(server: FakeS3, here: Path) -> None:
    """The loop itself has taken the numbers that were free; files and connections get others."""
    program = """
    import asyncio
    from sealift import AsyncStorage
    async def main():
        await AsyncStorage().download("s3://b/p", HERE / "p", config=config, on_event=look)
    report(lambda: asyncio.run(main()))
    """
    status, (seen,), _ = run(LOOK + program, here, server)
    assert "here/p" not in seen
    assert "Error" not in seen
    assert (status, (here / "p/1").read_bytes()) == (0, OBJECTS["p/1"])
