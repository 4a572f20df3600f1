"""`progress=True`: the verbs show their progress on stderr."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, StorageError
from tests.api.servers import FakeS3, pattern
from tests.api.writable import WritableS3

pytestmark = pytest.mark.anyio

DATA = pattern(100_000)
SUMMARY = "200.0 kB of 200.0 kB"

Call = Callable[[AsyncStorage, Any, Path], Coroutine[Any, Any, object]]
CALLS: dict[str, Call] = {
    "download": lambda storage, options, path: storage.download("s3://b/p", path / "new", **options),
    "download to a temporary directory": lambda storage, options, path: storage.download("s3://b/p", **options),
    "upload": lambda storage, options, path: storage.upload(path / "two", "s3://b/up", **options),
    "copy": lambda storage, options, path: storage.copy("s3://b/p", f"{path}/copied", **options),
    "copy_object": lambda storage, options, path: storage.copy_object("s3://b/p", f"{path}/copied", **options),
    "sync": lambda storage, options, path: storage.sync("s3://b/p", f"{path}/synced", **options),
    "download_many": lambda storage, options, path: storage.download_many(
        [("s3://b/p/a", path / "a"), ("s3://b/p/b", path / "b")], **options
    ),
    "upload_many": lambda storage, options, path: storage.upload_many(
        [(path / "two" / "a", "s3://b/up/a"), (path / "two" / "b", "s3://b/up/b")], **options
    ),
    "copy_many": lambda storage, options, path: storage.copy_many(
        [("s3://b/p/a", f"{path}/a"), ("s3://b/p/b", f"{path}/b")], **options
    ),
}


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("observed", [False, True])
async def test_each_verb(capfd: pytest.CaptureFixture[str], tmp_path: Path, verb: str, observed: bool) -> None:
    (tmp_path / "two").mkdir()
    for name in ("a", "b"):
        (tmp_path / "two" / name).write_bytes(DATA)
    events: list[Event] = []
    with WritableS3("b") as server:
        server.objects["b"] = {"p/a": DATA, "p/b": DATA}
        options = {"config": server.config, "progress": True} | ({"on_event": events.append} if observed else {})
        await CALLS[verb](AsyncStorage(), options, tmp_path)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(SUMMARY)
    assert "2 of 2 objects" in lines[0]
    assert bool(events) == observed


async def test_without_it_nothing_is_printed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with FakeS3({"b": {"m": DATA}}) as server:
        await AsyncStorage().download("s3://b/m", tmp_path / "m", config=server.config)
    assert capfd.readouterr() == ("", "")


async def test_a_failed_call_leaves_its_last_state(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with FakeS3({"b": {}}) as server, pytest.raises(StorageError):
        await AsyncStorage().download("s3://b/m", tmp_path / "m", config=server.config, progress=True)
    assert capfd.readouterr().err == ""


PROGRAM = """
import sys
from sealift import S3Config, Storage
config = S3Config("AKIA", "secret", endpoint_url=sys.argv[1])
Storage.download("s3://b/p", sys.argv[2], config=config, progress=True)
"""


def test_the_facade_on_a_terminal(tmp_path: Path) -> None:
    reader, writer = pty.openpty()
    with FakeS3({"b": {"p/a": DATA, "p/b": DATA}}) as server:
        subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM, server.endpoint, str(tmp_path / "new")],
            stderr=writer,
            stdin=subprocess.DEVNULL,
            check=True,
            env={**os.environ, "TERM": "xterm"},
        )
    os.close(writer)
    shown = b""
    while not shown.endswith(b"\r\n"):
        shown += os.read(reader, 4096)
    os.close(reader)
    last = shown.decode().split("\r\x1b[K")[-1]
    assert last.startswith("100%|")
    assert SUMMARY in last


CELL = """
from sealift import {name}, S3Config
{call}.download("s3://b/p", {path!r}, config=S3Config("AKIA", "secret", endpoint_url={endpoint!r}), progress=True)
"""


@pytest.mark.parametrize(("name", "call"), [("Storage", "Storage"), ("AsyncStorage", "await AsyncStorage()")])
def test_in_a_notebook(tmp_path: Path, name: str, call: str) -> None:
    """A widget is shown, and updated to the end."""
    with FakeS3({"b": {"p/a": DATA, "p/b": DATA}}) as server:
        cell = CELL.format(name=name, call=call, path=str(tmp_path / "new"), endpoint=server.endpoint)
        done = subprocess.run(
            [sys.executable, "-m", "tests.api.notebook", cell],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "IPYTHONDIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)},
        )
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [message["type"] for message in messages]
    assert "error" not in kinds, messages
    shown = [message["content"]["data"] for message in messages if message["type"] == "display_data"]
    assert any("application/vnd.jupyter.widget-view+json" in data for data in shown)
    assert not [message for message in messages if message["type"] == "stream"]
    updates = [message["content"]["data"].get("state", {}) for message in messages if message["type"] == "comm_msg"]
    texts = [str(state.get("value")).replace("\N{FIGURE SPACE}", " ") for state in updates]
    assert any(SUMMARY in text and "2 of 2 objects" in text for text in texts)
