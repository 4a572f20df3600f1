"""Logins of web servers in their URLs."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, Event, HTTPConfig, Limits
from tests.api.helpers import shows
from tests.cli.program import run
from tests.services.http_server import Asked, OddServer, Reply, good

pytestmark = pytest.mark.anyio

PASSWORD = "Pa55word"
LOGIN = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()


@pytest.fixture
def server() -> Iterator[OddServer]:
    def answer(asked: Asked) -> Reply:
        return good(asked, b"data") if asked.headers.get("authorization") == LOGIN else Reply(401)

    with OddServer(answer) as server:
        yield server


def storage(**environ: str) -> AsyncStorage:
    return AsyncStorage(Limits(attempts=1), environ=environ)


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


async def test_headers_of_the_caller_come_first(server: OddServer) -> None:
    config = HTTPConfig({"AUTHORIZATION": "Bearer other"})
    with pytest.raises(AccessDenied):
        await storage().read(with_login(f"{server.url}/m", f"me:{PASSWORD}"), config=config)
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer other"}


async def test_no_login_follows_a_redirect(server: OddServer) -> None:
    with OddServer(lambda asked: Reply(302, headers={"Location": f"{server.url}/m"})) as first:
        with pytest.raises(AccessDenied, match="does not get the password in the URL"):
            await storage().read(with_login(f"{first.url}/m", f"me:{PASSWORD}"))
        assert {asked.headers.get("authorization") for asked in first.asked} == {LOGIN}
    assert not any("authorization" in asked.headers for asked in server.asked)
