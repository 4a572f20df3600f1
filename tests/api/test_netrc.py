"""Passwords of web servers in `~/.netrc`."""

import base64
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, HTTPConfig, Limits
from sealift.backends.http.netrc_credentials import read_netrc
from tests.api.helpers import shows
from tests.cli.program import run
from tests.services.http_server import Asked, OddServer, Reply, good

pytestmark = pytest.mark.anyio

PASSWORD = "Pa55word"
BASIC = f"Basic {base64.b64encode(f'user:{PASSWORD}'.encode()).decode()}"
ENTRY = f"machine 127.0.0.1 login user password {PASSWORD}\n"


def answer(asked: Asked) -> Reply:
    return good(asked, b"model") if asked.headers.get("authorization") == BASIC else Reply(401)


@pytest.fixture
def server() -> Iterator[OddServer]:
    with OddServer(answer) as server:
        yield server


@pytest.fixture
def storage_with(tmp_path: Path) -> Callable[[str], AsyncStorage]:
    """Make a storage whose `~/.netrc` has this text."""

    def made(text: str) -> AsyncStorage:
        (tmp_path / ".netrc").write_text(text)
        return AsyncStorage(Limits(attempts=1), environ={"HOME": str(tmp_path)})

    return made


async def test_the_password_is_sent(server: OddServer, storage_with: Callable[[str], AsyncStorage]) -> None:
    storage = storage_with(f"machine example.com login a password b\n{ENTRY}")
    assert await storage.read(f"{server.url}/m") == b"model"
    async with storage.open(f"{server.url}/m") as file:
        assert await file.read() == b"model"


async def test_another_file(server: OddServer, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text(ENTRY)
    storage = AsyncStorage(environ={"NETRC": str(tmp_path / "passwords")})
    assert await storage.read(f"{server.url}/m") == b"model"


async def test_a_header_of_the_caller_wins(server: OddServer, storage_with: Callable[[str], AsyncStorage]) -> None:
    storage = storage_with(ENTRY.replace(PASSWORD, "wrong"))
    config = HTTPConfig({"AUTHORIZATION": BASIC})
    assert await storage.read(f"{server.url}/m", config=config) == b"model"
    assert {asked.headers["authorization"] for asked in server.asked} == {BASIC}


@pytest.mark.parametrize("text", ["", "default login user password Pa55word\n", ENTRY.replace("127.0.0.1", "0.0.1")])
async def test_other_hosts_get_nothing(
    server: OddServer, storage_with: Callable[[str], AsyncStorage], text: str
) -> None:
    with pytest.raises(AccessDenied):
        await storage_with(text).read(f"{server.url}/m")
    assert all("authorization" not in asked.headers for asked in server.asked)


async def test_another_origin_gets_nothing_after_a_redirect(
    server: OddServer, storage_with: Callable[[str], AsyncStorage]
) -> None:
    with OddServer(lambda asked: Reply(302, headers={"Location": f"{server.url}/m"})) as first:
        with pytest.raises(AccessDenied, match="does not get the password in") as denied:
            await storage_with(ENTRY).read(f"{first.url}/m")
    assert first.asked[0].headers["authorization"] == BASIC
    assert all("authorization" not in asked.headers for asked in server.asked)
    assert not shows(denied.value, PASSWORD)


async def test_a_password_that_is_wrong(server: OddServer, storage_with: Callable[[str], AsyncStorage]) -> None:
    storage = storage_with(ENTRY.replace(PASSWORD, "wr0ng"))
    with pytest.raises(AccessDenied, match=r"check the password for this host in .*/\.netrc") as denied:
        await storage.read(f"{server.url}/m")
    assert not shows(denied.value, "wr0ng")


async def test_a_file_that_is_not_valid_is_ignored(
    server: OddServer, storage_with: Callable[[str], AsyncStorage], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "sealift"), pytest.raises(AccessDenied):
        await storage_with(f"{PASSWORD} machine\n").read(f"{server.url}/m")
    assert "is ignored, since line 1 is not valid" in caplog.text
    assert PASSWORD not in caplog.text


def test_what_is_found_does_not_show_the_password(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(ENTRY)
    found = read_netrc("127.0.0.1", {"HOME": str(tmp_path)})
    assert found is not None
    assert found.authorization == BASIC
    assert BASIC not in repr(found)
    assert read_netrc("127.0.0.1", {}) is None


def test_on_the_command_line(server: OddServer, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(ENTRY)
    done = run("cat", f"{server.url}/m", environ={"HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (0, "model")
    shown = run("doctor", f"{server.url}/m", environ={"HOME": str(tmp_path)})
    assert f"password ({tmp_path}/.netrc)" in shown.stdout
    assert PASSWORD not in shown.stdout
