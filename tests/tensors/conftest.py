"""Fixtures: an environment without accounts, and a small model on each storage."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sealift.config import StorageConfig
from tests.api.conftest import bare_environment, what_may_block
from tests.facade.conftest import the_facade_may_block
from tests.services import azurite as azurite_server
from tests.services import gcs as gcs_server
from tests.services import http_server
from tests.services.hub import FakeHub
from tests.services.registry import FakeRegistry
from tests.services.s3 import S3Service, new_bucket, put_objects

from .models import INDEX, Model, random_model

if TYPE_CHECKING:
    from tests.services.azurite import AzureService
    from tests.services.gcs import GCSService

__all__ = ["bare_environment", "the_facade_may_block", "what_may_block"]


@dataclass(frozen=True)
class Place:
    """A model on a storage.

    Attributes:
        uri: URI of the model: a prefix, or the index where nothing can be listed.
        checked: The checksum of its files; "size-only": there is none.
    """

    uri: str
    config: StorageConfig | None
    environ: Mapping[str, str]
    checked: str


STORAGES = ("local", "s3", "gcs", "azure", "http", "plain", "hub", "oci")


@pytest.fixture(scope="session")
def model() -> Model:
    return random_model()


@pytest.fixture(scope="session")
def places(
    request: pytest.FixtureRequest, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Place]]:
    """`places(name)` is the model on a storage of `STORAGES`, which is started when it is first asked for."""
    found: dict[str, Place] = {}
    with contextlib.ExitStack() as stack:

        def place(name: str) -> Place:
            if name not in found:
                found[name] = _make(name, model, request, tmp_path_factory.mktemp(name), stack)
            return found[name]

        yield place


def _make(
    name: str, model: Model, request: pytest.FixtureRequest, directory: Path, stack: contextlib.ExitStack
) -> Place:
    objects = {f"m/{path}": data for path, data in model.files.items()}
    if name == "s3":
        service: S3Service = request.getfixturevalue("seaweedfs")
        bucket = new_bucket(service, "tensors")
        put_objects(service, bucket, objects, checksum="CRC64NVME")
        environ = {"AWS_ACCESS_KEY_ID": service.access_key, "AWS_SECRET_ACCESS_KEY": service.secret_key}
        return Place(f"s3://{bucket}/m/", None, environ | {"AWS_ENDPOINT_URL": service.endpoint}, "crc64nvme")
    if name == "gcs":
        google: GCSService = request.getfixturevalue("gcs")
        bucket = gcs_server.new_bucket(google, "tensors")
        gcs_server.put_objects(google, bucket, objects)
        return Place(f"gs://{bucket}/m/", None, google.environ, "crc32c")
    if name == "azure":
        azure: AzureService = request.getfixturevalue("azurite")
        container = azurite_server.new_container(azure)
        azurite_server.put_objects(azure, container, objects)
        return Place(f"azure://{container}/m/", azure.config(), {}, "md5")
    if name == "hub":
        hub = stack.enter_context(FakeHub())
        hub.repo("owner/model", model.files)
        return Place("hf://owner/model", hub.config, {}, "sha256")
    if name == "oci":
        registry = stack.enter_context(FakeRegistry(storage=True))
        registry.repository("team/model").put_model(model.files)
        return Place(registry.uri("team/model"), None, {}, "sha256")
    for path, data in objects.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_bytes(data)
    if name == "local":
        return Place(str(directory / "m"), None, {}, "size-only")
    serve = http_server.files if name == "http" else http_server.plain_files
    url = stack.enter_context(serve(directory))
    return Place(f"{url}/m/{INDEX}", None, {}, "size-only")
