"""gevent and eventlet: their threads and sockets cannot run an event loop, so each call fails, and none hangs."""

from pathlib import Path
from typing import Any

import pytest

from sealift import Storage, UnsupportedOperation
from sealift.runtime.patched_modules import refuse_patched_modules
from tests.api.servers import FakeS3
from tests.facade.scripts import run

PATCH = """
        from gevent import monkey
        monkey.patch_all({arguments})
"""
CALLS = """
        from sealift import AsyncStorage
        import asyncio
        for call in (
            lambda: Storage.read("s3://b/small", config=config),
            lambda: Storage.download("s3://b/small", HERE / "small", config=config, timeout=30),
            lambda: list(Storage.open("s3://b/small", config=config)),
            lambda: asyncio.run(AsyncStorage().read("s3://b/small", config=config)),
        ):
            try:
                call()
                say("done")
            except sealift.UnsupportedOperation as error:
                say(str(error).partition(": ")[2] or error)
"""
NAMES = {
    "": "threading, socket, select, queue",
    "thread=False": "socket, select, queue",
    "thread=False, socket=False, queue=False": "select",
    "socket=False, select=False, queue=False": "threading",
}


@pytest.mark.parametrize(("arguments", "names"), NAMES.items())
def test_gevent(server: FakeS3, here: Path, arguments: str, names: str) -> None:
    status, lines, stderr = run(PATCH.format(arguments=arguments) + CALLS, here, server)
    assert (status, stderr, len(lines)) == (0, "", 4)
    assert all(f"gevent has patched the modules {names}, without which" in line for line in lines), lines


def test_gevent_that_patches_after_the_first_call(server: FakeS3, here: Path) -> None:
    program = 'Storage.read("s3://b/small", config=config)\n'
    # Threads of before are running: gevent itself may abort when the interpreter exits.
    leave = "        os._exit(0)\n"
    status, lines, _ = run(f"        {program}{PATCH.format(arguments='')}{CALLS}{leave}", here, server)
    assert (status, len(lines)) == (0, 4)
    assert all("gevent has patched" in line for line in lines), lines


def test_gevent_in_another_process(server: FakeS3, here: Path) -> None:
    """As the error suggests."""
    program = """
        import subprocess
        command = [sys.executable, "-m", "sealift", "cp", "--no-sign-request", "--endpoint-url", os.environ["ENDPOINT"]]
        say(subprocess.run([*command, "s3://b/small", "small"], capture_output=True, text=True).stdout.strip())
    """
    assert run(PATCH.format(arguments="") + program, here, server) == (0, ["small"], "")
    assert (here / "small").read_bytes() == b"small"


def test_gevent_that_patches_nothing(server: FakeS3, here: Path) -> None:
    program = """
        import gevent
        say(gevent.spawn(lambda: Storage.read("s3://b/small", config=config)).get())
    """
    assert run(program, here, server) == (0, ["b'small'"], "")


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("threading", "get_ident"), ("socket", "socket"), ("select", "select"), ("queue", "SimpleQueue")],
)
def test_eventlet(monkeypatch: pytest.MonkeyPatch, name: str, attribute: str) -> None:
    """A fake that replaces what eventlet does: https://eventlet.readthedocs.io/en/latest/patching.html."""
    module: Any = __import__(name)
    original = getattr(module, attribute)

    def green(*arguments: object) -> object:
        return original(*arguments)

    green.__module__ = f"eventlet.green.{name}"
    refuse_patched_modules()
    with monkeypatch.context() as patched:
        patched.setattr(module, attribute, green)
        with pytest.raises(UnsupportedOperation, match=f"eventlet has patched the modules {name}, without which"):
            refuse_patched_modules()
        with pytest.raises(UnsupportedOperation, match="gthread"):
            Storage.read("/etc/hostname")
