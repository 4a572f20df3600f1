"""Names of objects with control characters: escaped on a terminal, as they are in pipes and JSON."""

import contextlib
import json
import os
import pty
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sealift.cli.escaping import printable, visible
from tests.api.servers import FakeS3, Reply

from .program import run, start

NAME = "x\x1b]0;owned\x07\x1b[31mred\x9b\u202e\n\t"
SHOWN = "x\\x1b]0;owned\\x07\\x1b[31mred\\x9b\\u202e\\n\\t"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / NAME).write_bytes(b"1")
    return tmp_path / "here"


def on_a_terminal(*arguments: object, environ: Mapping[str, str] | None = None) -> str:
    """The output of a command whose stdout and stderr are a terminal."""
    ours, theirs = pty.openpty()
    with start(*arguments, environ=environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        output = b""
        with contextlib.suppress(OSError):  # the other end was closed
            while piece := os.read(ours, 65536):
                output += piece
        process.wait(60)
    os.close(ours)
    return output.decode()


def attacks(output: str) -> bool:
    return any(sequence in output for sequence in ("\x1b]0;", "\x1b[31m", "\x9b", "\u202e"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls", "HERE"],
        ["ls", "-l", "HERE"],
        ["ls", "--json", "HERE"],
        ["stat", "FILE"],
        ["rm", "-n", "-r", "HERE"],
        ["cp", "-n", "-r", "HERE", "THERE"],
        ["cp", "-v", "-r", "HERE", "THERE"],
        ["cp", "FILE", "THERE/"],
        ["sync", "-v", "HERE", "THERE"],
        ["rm", "-v", "-r", "HERE"],
        ["du", "FILE"],
        ["mv", "FILE", "THERE/"],
        ["mv", "-v", "-r", "HERE", "THERE"],
        ["cp", "-", "FILE"],
        ["doctor", "FILE"],
        ["ls", "FILE/none"],
    ],
    ids=" ".join,
)
def test_on_a_terminal(directory: Path, tmp_path: Path, arguments: list[str]) -> None:
    names = {"HERE": str(directory), "FILE": str(directory / NAME), "THERE": str(tmp_path / "there")}
    parts = [each.partition("/") for each in arguments]
    told = [names.get(first, first) + slash + rest for first, slash, rest in parts]
    output = on_a_terminal(*told)
    assert not attacks(output), ascii(output)
    assert "owned" in output


def test_names_of_buckets_on_a_terminal() -> None:
    listed = (
        "<ListAllMyBucketsResult><Buckets><Bucket><Name>x&#x1b;[31mowned\u202e</Name></Bucket></Buckets>"
        "</ListAllMyBucketsResult>"
    )
    reply = Reply(200, listed.encode(), {"Content-Type": "application/xml"})
    with FakeS3({}, instead=lambda asked: reply if asked.path == "/" else None) as server:
        keys = {"AWS_ACCESS_KEY_ID": "AKIAFAKE", "AWS_SECRET_ACCESS_KEY": "fake", "AWS_CONFIG_FILE": "/nonexistent"}
        output = on_a_terminal("ls", "s3://", environ={"AWS_ENDPOINT_URL": server.endpoint, **keys})
    assert not attacks(output), ascii(output)
    assert "owned" in output


def test_in_a_pipe(directory: Path) -> None:
    with start("ls", directory, stderr=subprocess.DEVNULL, text=False) as process:
        assert process.communicate()[0] == f"{NAME}\n".encode()
    assert json.loads(run("ls", "--json", directory).stdout)["path"] == NAME


def test_paths_in_a_pipe(directory: Path, tmp_path: Path) -> None:
    with start("du", directory / NAME, stderr=subprocess.DEVNULL, text=False) as process:
        assert f"  {directory / NAME}\n".encode() in process.communicate()[0]
    with start("mv", directory / NAME, f"{tmp_path}/there/", stderr=subprocess.DEVNULL, text=False) as process:
        assert process.communicate()[0] == f"{tmp_path / 'there' / NAME}\n".encode()


def test_visible() -> None:
    assert visible(NAME) == SHOWN
    assert visible("modèle ü 模型") == "modèle ü 模型"
    assert visible("a\udce9") == "a\\xe9"
    assert visible("a\ud800") == "a\\ud800"


def test_messages_have_spaces_for_line_breaks() -> None:
    assert printable("a\r\n\tb\x1b") == "a   b\\x1b"
