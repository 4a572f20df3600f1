"""Fixtures: an environment without accounts, the calls that may block a loop, and the storages under test."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import bare_environment, what_may_block
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.s3 import S3Service

from . import storage_setup
from .storage import StorageServer

__all__ = ["bare_environment", "what_may_block"]


@pytest.fixture(scope="session")
def s3_storage(seaweedfs: S3Service) -> StorageServer:
    return storage_setup.s3_storage(seaweedfs)


@pytest.fixture(scope="session")
def gcs_storage(gcs: GCSService) -> StorageServer:
    return storage_setup.gcs_storage(gcs)


@pytest.fixture(scope="session")
def azure_storage(azurite: AzureService) -> StorageServer:
    return storage_setup.azure_storage(azurite)


@pytest.fixture(scope="session")
def file_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[StorageServer]]:
    with storage_setup.http_storages(tmp_path_factory.mktemp("files")) as storages:
        yield storages


@pytest.fixture(scope="session")
def http_storage(file_servers: list[StorageServer]) -> StorageServer:
    return file_servers[0]


@pytest.fixture(scope="session")
def plain_storage(file_servers: list[StorageServer]) -> StorageServer:
    return file_servers[1]


@pytest.fixture(scope="session")
def hub_storage() -> Iterator[StorageServer]:
    with storage_setup.hub_storages() as (storage,):
        yield storage


@pytest.fixture(scope="session")
def registry_storage() -> Iterator[StorageServer]:
    with storage_setup.registry_storages() as (storage,):
        yield storage
