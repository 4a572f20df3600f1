"""pytest fixtures for the services: each starts when the first test needs it, and stops at the end of the session.

Import them in `conftest.py`: ``from tests.services.fixtures import *``. If a service cannot start, the tests that need
it fail; they are never skipped. Each fixture imports its server's module itself, so that unit tests run without the
packages of the servers.
"""

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from sealift.demo.seaweedfs import ServerError

if TYPE_CHECKING:
    from tests.services.azurite import AzureService
    from tests.services.gcs import GCSService
    from tests.services.s3 import MakeBucket, S3Service

__all__ = ["azurite", "azurite_tls", "gcs", "make_bucket", "moto", "rclone_s3", "seaweedfs"]

T = TypeVar("T")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[S3Service]":
    """SeaweedFS: real signatures, identities, multipart, ranges, checksums."""
    from tests.services.seaweedfs import start

    with _running(start, tmp_path_factory.mktemp("seaweedfs")) as service:
        yield service


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[S3Service]":
    """moto: AWS semantics, versions, STS on the same endpoint. It accepts any keys."""
    from tests.services.moto import start

    with _running(start, tmp_path_factory.mktemp("moto")) as service:
        yield service


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[S3Service]":
    """`rclone serve s3`: fast; proves nothing about versions and checksums. Buckets are folders in its directory."""
    from tests.services.rclone import start

    with _running(start, tmp_path_factory.mktemp("rclone")) as service:
        yield service


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[AzureService]":
    """Azurite: Microsoft's emulator of the Blob service."""
    from tests.services.azurite import start

    with _running(start, tmp_path_factory.mktemp("azurite")) as service:
        yield service


@pytest.fixture(scope="session")
def azurite_tls(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[AzureService]":
    """Azurite over TLS, where it takes tokens of identities."""
    from tests.services.azurite import start

    with _running(functools.partial(start, tls=True), tmp_path_factory.mktemp("azurite-tls")) as service:
        yield service


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[GCSService]":
    """fake-gcs-server: Google's JSON API, without any accounts."""
    from tests.services.gcs import start

    with _running(start, tmp_path_factory.mktemp("gcs")) as service:
        yield service


@pytest.fixture
def make_bucket(request: pytest.FixtureRequest) -> "Iterator[MakeBucket]":
    """``make_bucket(service)`` gives the name of a new empty bucket, removed after the test where that is cheap."""
    from tests.services.s3 import client, new_bucket

    made: list[tuple[S3Service, str]] = []

    def make(service: "S3Service") -> str:
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
