"""Logins of web servers, in a URL or in a netrc file."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, Event, HTTPConfig, InvalidConfig, Limits
from tests.api.helpers import shows
from tests.cli.program import run
from tests.services.http_server import Asked, OddServer, Reply, good

pytestmark = pytest.mark.anyio

PASSWORD = "Pa55word"
LOGIN = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
ENTRY = f"machine 127.0.0.1\n  login me\n  password {PASSWORD}\n"


@pytest.fixture
def server() -> Iterator[OddServer]:
    def answer(asked: Asked) -> Reply:
        return good(asked, b"data") if asked.headers.get("authorization") == LOGIN else Reply(401)

    with OddServer(answer) as server:
        yield server


def storage(**environ: str) -> AsyncStorage:
    return AsyncStorage(Limits(attempts=1), environ=environ)


@pytest.mark.parametrize("way", ["HOME", "NETRC"])
async def test_the_login_of_the_host(server: OddServer, tmp_path: Path, way: str) -> None:
    file = tmp_path / ".netrc"
    file.write_text(f"machine other.example login you password x\n{ENTRY}")
    assert await storage(**{way: str(tmp_path if way == "HOME" else file)}).read(f"{server.url}/m") == b"data"


def test_the_command_line(server: OddServer, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(ENTRY)
    assert run("cat", f"{server.url}/m", environ={"HOME": str(tmp_path)}).stdout == "data"


def with_login(url: str, login: str) -> str:
    return url.replace("//", f"//{login}@")


async def test_the_login_of_a_url(server: OddServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login you password other")
    url, events = with_login(server.url, f"m%65:{PASSWORD}"), list[Event]()
    with caplog.at_level(logging.DEBUG, "sealift"):
        async with storage(HOME=str(tmp_path)) as instance:
            await instance.download(f"{url}/m", tmp_path / "m", on_event=events.append)
            found = await instance.stat(f"{url}/m")
            with pytest.raises(AccessDenied) as caught:
                await instance.read(with_login(f"{server.url}/m", f"you:{PASSWORD}"))
    assert await asyncio.to_thread((tmp_path / "m").read_bytes) == b"data"
    assert shows(caught.value, PASSWORD) == []
    assert PASSWORD not in f"{caplog.text} {events} {found} {instance}"
    assert {asked.target for asked in server.asked} == {"/m"}


@pytest.mark.parametrize(
    "arguments", [["cp", "-v"], ["cp", "-vv", "--json"], ["stat"], ["stat", "--json"], ["doctor"], ["ls"]]
)
@pytest.mark.parametrize("user", ["me", "you"])
def test_the_command_line_never_shows_a_password(
    server: OddServer, tmp_path: Path, arguments: list[str], user: str
) -> None:
    url = with_login(f"{server.url}/m", f"{user}:{PASSWORD}")
    done = run(*arguments, url, *([str(tmp_path / "m")] if arguments[0] == "cp" else []))
    assert done.returncode == (0 if user == "me" else 4), done.stderr
    assert PASSWORD not in done.stdout + done.stderr


async def test_headers_of_the_caller_come_first(server: OddServer, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(ENTRY)
    config = HTTPConfig({"AUTHORIZATION": "Bearer other"})
    with pytest.raises(AccessDenied):
        await storage(HOME=str(tmp_path)).read(f"{server.url}/m", config=config)
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer other"}


@pytest.mark.parametrize("text", ["", f"default login me password {PASSWORD}\n", ENTRY.replace("127", "128")])
async def test_no_login_is_sent_to_other_hosts(server: OddServer, tmp_path: Path, text: str) -> None:
    (tmp_path / ".netrc").write_text(text)
    with pytest.raises(AccessDenied, match="netrc"):
        await storage(HOME=str(tmp_path)).read(f"{server.url}/m")
    assert not any("authorization" in asked.headers for asked in server.asked)


async def test_no_login_follows_a_redirect(server: OddServer, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(ENTRY)
    with OddServer(lambda asked: Reply(302, headers={"Location": f"{server.url}/m"})) as first:
        with pytest.raises(AccessDenied):
            await storage(HOME=str(tmp_path)).read(f"{first.url}/m")
        assert {asked.headers.get("authorization") for asked in first.asked} == {LOGIN}
    assert not any("authorization" in asked.headers for asked in server.asked)


@pytest.mark.parametrize("content", [f"machine 127.0.0.1 {PASSWORD}".encode(), b"\xff\xfe", None])
async def test_a_file_that_cannot_be_used(
    server: OddServer, tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / ".netrc"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(InvalidConfig, match="netrc cannot be used") as caught:
        await storage(NETRC=str(file)).read(f"{server.url}/m")
    assert shows(caught.value, PASSWORD) == []
    with caplog.at_level(logging.WARNING, "sealift"), pytest.raises(AccessDenied):
        await storage(HOME=str(tmp_path)).read(f"{server.url}/m")  # perhaps of another user
    assert "netrc cannot be used" in caplog.text
    assert PASSWORD not in caplog.text


async def test_a_file_that_is_missing(server: OddServer, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="No such file"):
        await storage(NETRC=str(tmp_path / "none")).read(f"{server.url}/m")
    with pytest.raises(AccessDenied):
        await storage(HOME=str(tmp_path)).read(f"{server.url}/m")
