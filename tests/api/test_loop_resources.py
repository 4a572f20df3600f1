"""What several `AsyncStorage` share in one event loop, and what they do not."""

import asyncio
import threading
from pathlib import Path

import pytest

from sealift import AsyncStorage, Limits, loop_resources
from sealift.instance import Instance
from tests.api.helpers import files_in, open_files
from tests.api.servers import FakeS3
from tests.api.test_lifetimes import ended, until

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


def keys(name: str, server: FakeS3) -> dict[str, str]:
    """The environment of a tenant."""
    return {
        "AWS_ACCESS_KEY_ID": f"AKIA{name}",
        "AWS_SECRET_ACCESS_KEY": f"secret-{name}",
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_REGION": "us-east-1",
    }


async def test_equal_limits_share_everything_but_the_configuration() -> None:
    async with Instance(Limits(), {"A": "1"}) as one, Instance(Limits(), {"A": "2"}) as other:
        for name in ("wire", "memory", "disk", "retry"):
            assert getattr(one, name) is getattr(other, name)
        assert (one.environ, other.environ) == ({"A": "1"}, {"A": "2"})
        assert one.credentials is not other.credentials
        assert one._clients is not other._clients


@pytest.mark.parametrize(
    ("limits", "environ"),
    [
        (Limits(memory=1 << 20), {}),
        (Limits(), {"HTTPS_PROXY": "http://proxy"}),
        (Limits(), {"SSL_CERT_FILE": "/tmp/ca"}),
        (Limits(), {"SSL_CERT_DIR": "/tmp/ca"}),
    ],
)
async def test_other_limits_proxies_or_certificates_share_nothing(limits: Limits, environ: dict[str, str]) -> None:
    async with Instance(Limits(), {}) as one, Instance(limits, environ) as other:
        assert one.wire is not other.wire
        assert one.memory is not other.memory


async def test_a_call_uses_the_connections_of_the_call_before(tmp_path: Path) -> None:
    with FakeS3({"b": {"m": b"m"}}) as server:
        await AsyncStorage().download("s3://b/m", tmp_path / "0", config=server.config)
        threads = set(threading.enumerate())
        sockets = {name for name in open_files() if name.startswith("socket:")}
        for number in range(1, 20):
            await AsyncStorage().download("s3://b/m", tmp_path / str(number), config=server.config)
        assert set(threading.enumerate()) <= threads
        assert {name for name in open_files() if name.startswith("socket:")} <= sockets
    assert files_in(tmp_path) == {str(number): b"m" for number in range(20)}


async def test_unused_resources_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, files = set(threading.enumerate()), open_files()
    monkeypatch.setattr(loop_resources, "_LINGER", 0)
    with FakeS3({"b": {"m": b"m"}}) as server:
        started = set(threading.enumerate()) - threads
        await AsyncStorage().download("s3://b/m", tmp_path / "m", config=server.config)
        assert await ended(threads | started) == set()
        await until(lambda: not server.connections)
    await until(lambda: open_files() <= files)


async def test_a_call_that_begins_while_they_are_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_resources, "_LINGER", 0)
    with FakeS3({"b": {"m": b"m"}}) as server:
        for number in range(10):
            await AsyncStorage().download("s3://b/m", tmp_path / str(number), config=server.config)
            for _ in range(number):
                await asyncio.sleep(0)
    assert files_in(tmp_path) == {str(number): b"m" for number in range(10)}


async def test_tenants_never_use_the_credentials_of_one_another(tmp_path: Path) -> None:
    with FakeS3({"b": {f"m{name}": b"m" for name in "abc"}}) as server:
        tenants = [AsyncStorage(environ=keys(name, server)) for name in "abc"]
        await asyncio.gather(
            *(
                tenant.download(f"s3://b/m{name}", tmp_path / f"{name}{number}")
                for number in range(5)
                for tenant, name in zip(tenants, "abc", strict=True)
            )
        )
    assert len(server.asked) >= 15
    for asked in server.asked:
        assert f"Credential=AKIA{asked.path[-1]}/" in asked.headers["authorization"]
