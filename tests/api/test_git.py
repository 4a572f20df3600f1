"""Git repositories through the public API, and a real LFS client against the LFS server of the tests."""

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from dulwich.lfs import HTTPLFSClient

from sealift import AsyncStorage, Event, GitConfig, InvalidURI, Limits, ModelMissingError, UnsupportedOperation
from tests.api.helpers import files_in
from tests.contract.suite import DATA, OTHER
from tests.services.git_server import GitServer, Repository, running

FILES = {"config.json": b"{}", "onnx/läs mig.txt": OTHER, "empty": b""}
LIMITS = Limits(patience=1, attempts=2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    (tmp_path / "repositories").mkdir()
    with running(tmp_path / "repositories") as server:
        yield server


@pytest.fixture
def repository(server: GitServer) -> Repository:
    repository = Repository(server, "owner/name")
    repository.put(FILES)
    repository.put_lfs({"model.bin": DATA})
    return repository


def test_a_real_client_is_content_with_the_lfs_server(server: GitServer, repository: Repository) -> None:
    client = HTTPLFSClient(f"{repository.url}/info/lfs/")
    digest = hashlib.sha256(DATA).hexdigest()
    assert client.download(digest, len(DATA)) == DATA


@pytest.mark.anyio
async def test_a_repository_becomes_a_directory(repository: Repository, tmp_path: Path) -> None:
    events: list[Event] = []
    repository.git("tag", "v1")
    repository.put({"config.json": b"{1}"})
    async with AsyncStorage(limits=LIMITS) as storage:
        path = await storage.download(f"{repository.uri}#v1", str(tmp_path / "model"), on_event=events.append)
        assert files_in(path) == {**FILES, "model.bin": DATA}
        assert {event.verified for event in events if event.kind == "object" and event.size} == {"sha256"}
        await storage.download(f"{repository.uri}/onnx/", str(tmp_path / "onnx"))
        assert files_in(tmp_path / "onnx") == {"läs mig.txt": OTHER}
        assert await storage.read(f"{repository.uri}/config.json") == b"{1}"
        assert await storage.list_objects(f"{repository.uri}/onnx/#v1") == ["läs mig.txt"]
        with pytest.raises(ModelMissingError, match="no branch or tag 'v2'"):
            await storage.download(f"{repository.uri}#v2", str(tmp_path / "v2"))
        with pytest.raises(UnsupportedOperation, match="can only be read"):
            await storage.write(f"{repository.uri}/new", b"x")


@pytest.mark.anyio
async def test_the_password_of_the_environment(tmp_path: Path) -> None:
    """It is sent over https, to a URL as in KServe."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "repositories").mkdir()
    with running(tmp_path / "repositories", context) as server:
        repository = Repository(server, "owner/name")
        repository.put_lfs(FILES)
        server.password = "secret-password"
        environ = {"GIT_USERNAME": "robot", "GIT_PASSWORD": server.password}
        config = GitConfig(verify_ssl=tmp_path / "ca.pem")
        async with AsyncStorage(config=config, environ=environ, limits=LIMITS) as storage:
            path = await storage.download(repository.url, str(tmp_path / "model"))
            assert files_in(path) == FILES
            with pytest.raises(InvalidURI, match="GIT_PASSWORD"):
                await storage.download(repository.url.replace("://", "://robot:secret@"), str(tmp_path / "no"))
