"""Fixtures: the services with the same models in each, and an environment without accounts."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import bare_environment, what_may_block
from tests.facade.conftest import the_facade_may_block
from tests.kserve.world import World, world
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.s3 import S3Service

__all__ = ["bare_environment", "the_facade_may_block", "what_may_block"]


@pytest.fixture(scope="session")
def models(
    moto: S3Service,
    seaweedfs: S3Service,
    gcs: GCSService,
    azurite: AzureService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """The models; S3 is that of moto, which allows an object beside a prefix of its name."""
    with world(moto, seaweedfs, gcs, azurite, tmp_path_factory.mktemp("models")) as served:
        yield served
