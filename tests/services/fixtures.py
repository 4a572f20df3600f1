"""pytest fixtures: each service starts when a test first uses it, and ends with the session.

Import them in `conftest.py`: ``from tests.services.fixtures import *``. If a service cannot start, the tests that use
it fail; they are never skipped.
"""

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest

from sealift.demo.seaweedfs import ServerError
from tests.services import azurite as azurite_server
from tests.services import gcs as gcs_server
from tests.services import moto as moto_server
from tests.services import rclone as rclone_server
from tests.services import seaweedfs as seaweedfs_server
from tests.services.s3 import MakeBucket, S3Service, client, new_bucket

__all__ = ["azurite", "azurite_tls", "gcs", "make_bucket", "moto", "rclone_s3", "seaweedfs"]

T = TypeVar("T")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Service]:
    """SeaweedFS: real signatures, identities, multipart, ranges, checksums."""
    with _running(seaweedfs_server.start, tmp_path_factory.mktemp("seaweedfs")) as service:
        yield service


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Service]:
    """moto: AWS semantics, versions, STS on the same endpoint. It accepts any keys."""
    with _running(moto_server.start, tmp_path_factory.mktemp("moto")) as service:
        yield service


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Service]:
    """`rclone serve s3`: fast, but without versions and checksums. Buckets are folders in its directory."""
    with _running(rclone_server.start, tmp_path_factory.mktemp("rclone")) as service:
        yield service


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite_server.AzureService]:
    """Azurite: Microsoft's emulator of the Blob service."""
    with _running(azurite_server.start, tmp_path_factory.mktemp("azurite")) as service:
        yield service


@pytest.fixture(scope="session")
def azurite_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite_server.AzureService]:
    """Azurite over TLS, where it accepts identity tokens."""
    start = functools.partial(azurite_server.start, tls=True)
    with _running(start, tmp_path_factory.mktemp("azurite-tls")) as service:
        yield service


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gcs_server.GCSService]:
    """fake-gcs-server: Google's JSON API, without authentication."""
    with _running(gcs_server.start, tmp_path_factory.mktemp("gcs")) as service:
        yield service


@pytest.fixture
def make_bucket(request: pytest.FixtureRequest) -> Iterator[MakeBucket]:
    """``make_bucket(service)`` returns the name of a new empty bucket, removed after the test where that is cheap."""
    made: list[tuple[S3Service, str]] = []

    def make(service: S3Service) -> str:
        made.append((service, new_bucket(service, request.node.name)))
        return made[-1][1]

    yield make
    for service, bucket in made:
        if service.directory is not None:
            shutil.rmtree(service.directory / bucket, ignore_errors=True)
        elif service.name == "seaweedfs":  # it deletes a bucket with its objects
            with contextlib.suppress(client(service).exceptions.ClientError):
                client(service).delete_bucket(Bucket=bucket)


@contextlib.contextmanager
def _running(start: Callable[[Path], AbstractContextManager[T]], directory: Path) -> Iterator[T]:
    with contextlib.ExitStack() as stack:
        try:
            service = stack.enter_context(start(directory))
        except ServerError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        yield service
