"""HDFS through the public API, and the fake against the real client."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import hdfs as hdfs_client
import pytest
import trustme

from sealift import (
    AccessDenied,
    AsyncStorage,
    HDFSConfig,
    IntegrityError,
    Limits,
    ModelMissingError,
    TransportError,
    UnsupportedOperation,
)
from tests.contract.suite import DATA, OTHER
from tests.services.fake_server import serving
from tests.services.webhdfs import FakeHDFS, running

FILES = {"iris/model.bin": DATA, "iris/1/config.json": b"{}", "iris/empty": b"", "other": OTHER}
LIMITS = Limits(patience=1, attempts=2)


@pytest.fixture
def hdfs() -> Iterator[FakeHDFS]:
    with running() as hdfs:
        hdfs.put(FILES)
        yield hdfs


def test_the_real_client_is_content_with_the_fake(hdfs: FakeHDFS, tmp_path: Path) -> None:
    client = hdfs_client.InsecureClient(hdfs.url, user="models")
    assert sorted(client.list("/iris")) == ["1", "empty", "model.bin"]
    assert client.status("/iris")["type"] == "DIRECTORY"
    assert client.status("/missing", strict=False) is None
    assert client.checksum("/iris/model.bin")["algorithm"] == "MD5-of-128MD5-of-512CRC32C"
    client.download("/iris", str(tmp_path / "iris"))
    assert (tmp_path / "iris/model.bin").read_bytes() == DATA
    with client.read("/other", offset=1000, length=2000) as reader:
        assert reader.read() == OTHER[1000:3000]
    with pytest.raises(hdfs_client.HdfsError, match="File does not exist"):
        client.status("/missing")


@pytest.mark.anyio
async def test_a_directory_is_downloaded_and_verified(hdfs: FakeHDFS, tmp_path: Path) -> None:
    events = []
    async with AsyncStorage(config=hdfs.config, limits=LIMITS) as storage:
        path = await storage.download("hdfs://iris", str(tmp_path / "iris"), on_event=events.append)
    assert {str(each.relative_to(path)) for each in Path(path).rglob("*") if each.is_file()} == {
        "model.bin", "1/config.json", "empty",
    }  # fmt: skip
    assert (tmp_path / "iris/model.bin").read_bytes() == DATA
    assert {event.verified for event in events if event.kind == "object" and event.size} == {
        "hdfs-crc32c/512*128", "hdfs-crc32c/512*0",
    }  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("composite", [True, False])
async def test_a_byte_that_changes_on_the_way(hdfs: FakeHDFS, tmp_path: Path, composite: bool) -> None:
    hdfs.corrupt, hdfs.composite = True, composite
    async with AsyncStorage(config=hdfs.config, limits=LIMITS) as storage:
        with pytest.raises(IntegrityError, match="do not match its"):
            await storage.download("hdfs://iris/model.bin", str(tmp_path / "model.bin"))
    assert not (tmp_path / "model.bin").exists()


@pytest.mark.anyio
async def test_questions(hdfs: FakeHDFS) -> None:
    uri = hdfs.url.replace("http://", "webhdfs://")
    async with AsyncStorage(limits=LIMITS) as storage:
        assert sorted(await storage.list_objects(f"{uri}/iris/")) == ["1/config.json", "empty", "model.bin"]
        assert await storage.read(f"{uri}/iris/model.bin") == DATA
        assert await storage.exists(f"{uri}/iris")
        with pytest.raises(ModelMissingError):
            await storage.read(f"{uri}/missing")


@pytest.mark.anyio
async def test_tls_with_a_client_certificate(hdfs: FakeHDFS, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(str(tmp_path / "TLS_CA"))
    certificate = authority.issue_cert("models@example.com")
    certificate.private_key_pem.write_to_path(str(tmp_path / "TLS_KEY"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "TLS_CERT"), append=True)
    with serving(hdfs.answer_datanode, context) as hdfs.datanode, serving(hdfs.answer, context) as url:
        (tmp_path / "HDFS_NAMENODE").write_text(url)
        async with AsyncStorage(limits=LIMITS, environ={"HDFS_SECRET_DIR": str(tmp_path)}) as storage:
            assert await storage.read("hdfs://iris/model.bin") == DATA
        config = HDFSConfig(url, verify_ssl=str(tmp_path / "TLS_CA"))
        async with AsyncStorage(config=config, limits=LIMITS) as storage:
            with pytest.raises(TransportError):
                await storage.read("hdfs://iris/model.bin")


@pytest.mark.anyio
async def test_simple_authentication_and_a_delegation_token(hdfs: FakeHDFS) -> None:
    environ = {"HDFS_NAMENODE": hdfs.url, "HADOOP_USER_NAME": "models"}
    async with AsyncStorage(environ=environ, limits=LIMITS) as storage:
        assert await storage.read("hdfs://other") == OTHER
    assert {asked.query["user.name"] for asked in hdfs.asked} == {"models"}
    hdfs.asked.clear()
    hdfs.token = "token-of-the-cluster"
    async with AsyncStorage(environ={**environ, "HDFS_DELEGATION_TOKEN": hdfs.token}, limits=LIMITS) as storage:
        assert await storage.read("hdfs://other") == OTHER
    assert {asked.query["delegation"] for asked in hdfs.asked} == {hdfs.token}
    assert not any("user.name" in asked.query for asked in hdfs.asked)


@pytest.mark.anyio
async def test_kerberos(hdfs: FakeHDFS, monkeypatch: pytest.MonkeyPatch) -> None:
    """One ticket gives a delegation token."""
    from sealift.backends.webhdfs import kerberos

    hosts: list[str] = []

    def negotiate(host: str, config: HDFSConfig) -> str:
        hosts.append(host)
        return "Negotiate dGlja2V0"

    hdfs.token, hdfs.negotiate = "token-1", "Negotiate dGlja2V0"
    monkeypatch.setattr(kerberos, "negotiate", negotiate)
    async with AsyncStorage(config=HDFSConfig(hdfs.url, kerberos=True), limits=LIMITS) as storage:
        assert await storage.read("hdfs://other") == OTHER
        assert hosts == ["127.0.0.1"]
    hdfs.negotiate = None
    async with AsyncStorage(config=HDFSConfig(hdfs.url, kerberos=True), limits=LIMITS) as storage:
        with pytest.raises(AccessDenied, match="issues no delegation tokens"):
            await storage.read("hdfs://other")


@pytest.mark.anyio
async def test_kerberos_without_its_package_or_a_ticket(hdfs: FakeHDFS) -> None:
    async with AsyncStorage(config=HDFSConfig(hdfs.url, kerberos=True), limits=LIMITS) as storage:
        with pytest.raises((UnsupportedOperation, AccessDenied), match=r"Kerberos (needs|gives)"):
            await storage.read("hdfs://other")
    assert not hdfs.asked
