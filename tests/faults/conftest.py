"""An environment without accounts, what may block a loop here, and the places to try faults in."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import bare_environment, what_may_block
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.s3 import S3Service

from . import places
from .place import Place

__all__ = ["bare_environment", "what_may_block"]


@pytest.fixture(scope="session")
def s3_place(seaweedfs: S3Service) -> Place:
    return places.s3_place(seaweedfs)


@pytest.fixture(scope="session")
def gcs_place(gcs: GCSService) -> Place:
    return places.gcs_place(gcs)


@pytest.fixture(scope="session")
def azure_place(azurite: AzureService) -> Place:
    return places.azure_place(azurite)


@pytest.fixture(scope="session")
def servers_of_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    with places.http_places(tmp_path_factory.mktemp("files")) as found:
        yield found


@pytest.fixture(scope="session")
def http_place(servers_of_files: list[Place]) -> Place:
    return servers_of_files[0]


@pytest.fixture(scope="session")
def plain_place(servers_of_files: list[Place]) -> Place:
    return servers_of_files[1]


@pytest.fixture(scope="session")
def hub_place() -> Iterator[Place]:
    with places.hub_places() as (found,):
        yield found
