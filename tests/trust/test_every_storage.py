"""Signed models from each storage: what was signed is accepted, and what differs is not."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from sealift import AsyncStorage, Limits, Trust
from sealift.config import StorageConfig
from sealift.errors import SignatureError
from sealift.types import KiB, MiB
from tests.api.helpers import files_in
from tests.api.servers import pattern
from tests.services import azurite, gcs, git_server, http_server, modelscope, webhdfs
from tests.services.file_share import FakeFileShares
from tests.services.hub import FakeHub
from tests.services.registry import FakeRegistry

from .signer import PUBLIC_KEY, bundle, resource, statement

pytestmark = pytest.mark.anyio

# The Hub, ModelScope and Git store files with this ending elsewhere.
FILES = {"config.json": b"{}", "deep/large.bin": pattern(9 * MiB + 7), "deep/small.bin": pattern(100 * KiB)}
SIGNATURE = json.dumps(bundle(statement([resource(name, data) for name, data in FILES.items()]))).encode()
CHANGED = {
    "changed": FILES | {"deep/small.bin": b"?" + FILES["deep/small.bin"][1:]},
    "changed-large": FILES | {"deep/large.bin": FILES["deep/large.bin"][:-1] + b"?"},
    "emptied": FILES | {"deep/small.bin": b""},
    "added": FILES | {"evil.py": b"import os"},
}
MODELS = {"good": FILES, **CHANGED}


class Place(NamedTuple):
    """Where the models of `MODELS` are: `{name}` stands for the model's name."""

    uri: str
    config: StorageConfig | None
    environ: Mapping[str, str] = {}


def _of_service(name: str, objects: Mapping[str, bytes], request: pytest.FixtureRequest) -> Place:
    if name == "gcs":
        google = request.getfixturevalue("gcs")
        bucket = gcs.new_bucket(google, "trust")
        gcs.put_objects(google, bucket, objects)
        return Place(f"gs://{bucket}/{{name}}", None, google.environ)
    azure = request.getfixturevalue("azurite")
    container = azurite.new_container(azure)
    azurite.put_objects(azure, container, objects)
    return Place(f"azure://{container}/{{name}}", azure.config())


def _of_repositories(
    name: str, models: Mapping[str, Mapping[str, bytes]], directory: Path, stack: contextlib.ExitStack
) -> Place:
    if name == "hf":
        hub = stack.enter_context(FakeHub())
        for model, files in models.items():
            hub.repo(f"owner/{model}", files)
        return Place("hf://owner/{name}", hub.config)
    if name == "modelscope":
        scope = stack.enter_context(modelscope.running())
        for model, files in models.items():
            scope.repo(f"owner/{model}", files)
        return Place("modelscope://owner/{name}", scope.config)
    if name == "git":
        directory.mkdir()
        server = stack.enter_context(git_server.running(directory))
        for model, files in models.items():
            repository = git_server.Repository(server, f"owner/{model}")
            repository.put_lfs({path: data for path, data in files.items() if path.endswith("large.bin")})
            repository.put({path: data for path, data in files.items() if not path.endswith("large.bin")})
        return Place(repository.uri.replace(f"owner/{model}", "owner/{name}"), None)
    registry = stack.enter_context(FakeRegistry(storage=True))
    for model, files in models.items():
        registry.repository(f"team/{model}").put_model(files)
    return Place(registry.uri("team/{name}"), None)


@pytest.fixture(params=["gcs", "azure", "file share", "hf", "modelscope", "git", "oci", "hdfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    models = {name: {**files, "model.sig": SIGNATURE} for name, files in MODELS.items()}
    objects = {f"{name}/{path}": data for name, files in models.items() for path, data in files.items()}
    with contextlib.ExitStack() as stack:
        if request.param in {"gcs", "azure"}:
            yield _of_service(request.param, objects, request)
        elif request.param == "hdfs":
            hdfs = stack.enter_context(webhdfs.running())
            hdfs.put(objects)
            yield Place("hdfs:///{name}", hdfs.config)
        elif request.param == "file share":
            shares = stack.enter_context(FakeFileShares())
            shares.put("box", objects)
            yield Place(f"{shares.uri('box')}/{{name}}", shares.config())
        else:
            yield _of_repositories(request.param, models, tmp_path / "repositories", stack)


async def test_directories(place: Place, tmp_path: Path) -> None:
    uri, config, environ = place
    signature = tmp_path / "model.sig"
    signature.write_bytes(SIGNATURE)
    trust = Trust(signature, key=PUBLIC_KEY)
    async with AsyncStorage(Limits(part_size=8 * MiB, attempts=1), config=config, environ=environ) as storage:
        await storage.download(uri.replace("{name}", "good"), tmp_path / "good", trust=trust)
        assert files_in(tmp_path / "good") == FILES
        for model in CHANGED:
            with pytest.raises(SignatureError, match=r"not those that were signed|not signed: 'evil\.py'"):
                await storage.download(uri.replace("{name}", model), tmp_path / "new", trust=trust)
            assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("serve", [http_server.files, http_server.plain_files])
async def test_urls(serve: Callable[[Path], contextlib.AbstractContextManager[str]], tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, data in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    (source / "emptied.json").touch()
    with serve(source) as url:
        async with AsyncStorage(Limits(part_size=8 * MiB, attempts=1)) as storage:
            for name, data in FILES.items():
                trust = Trust(digest=f"sha256:{resource(name, data)['digest']}")
                await storage.download(f"{url}/{name}", f"{tmp_path}/good/", trust=trust)
                for other in {*FILES, "emptied.json"} - {name}:
                    with pytest.raises(SignatureError, match="not those that were signed"):
                        await storage.download(f"{url}/{other}", tmp_path / "new", trust=trust)
                    assert not (tmp_path / "new").exists()
    assert len(files_in(tmp_path / "good")) == len(FILES)
