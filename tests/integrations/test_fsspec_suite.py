"""fsspec's own test suites, against S3 servers and the local disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.tests import abstract

from sealift.integrations.fsspec import LocalFileSystem, S3FileSystem
from tests.api.helpers import config_of
from tests.services.s3 import MakeBucket, S3Service


class S3Fixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, seaweedfs: S3Service) -> S3FileSystem:
        return S3FileSystem(config=config_of(seaweedfs))

    @pytest.fixture
    def fs_path(self, seaweedfs: S3Service, make_bucket: MakeBucket) -> str:
        return make_bucket(seaweedfs)

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *segments: "/".join(segments)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class MotoFixtures(S3Fixtures):
    """With SeaweedFS, directories remain for a while after their last object, as they do not on Amazon S3."""

    @pytest.fixture
    def fs(self, moto: S3Service) -> S3FileSystem:
        return S3FileSystem(config=config_of(moto))

    @pytest.fixture
    def fs_path(self, moto: S3Service, make_bucket: MakeBucket) -> str:
        return make_bucket(moto)


class LocalFixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self) -> LocalFileSystem:
        return LocalFileSystem()

    @pytest.fixture
    def fs_path(self, tmp_path: Path) -> str:
        return str(tmp_path / "fs")

    @pytest.fixture
    def fs_sanitize_path(self) -> Any:
        return lambda path: path


class TestS3Copy(abstract.AbstractCopyTests, MotoFixtures):
    pass


class TestS3Get(abstract.AbstractGetTests, S3Fixtures):
    pass


class TestS3Put(abstract.AbstractPutTests, MotoFixtures):
    pass


class TestS3Open(abstract.AbstractOpenTests, S3Fixtures):
    pass


class TestS3Pipe(abstract.AbstractPipeTests, S3Fixtures):
    pass


class TestLocalCopy(abstract.AbstractCopyTests, LocalFixtures):
    pass


class TestLocalGet(abstract.AbstractGetTests, LocalFixtures):
    pass


class TestLocalPut(abstract.AbstractPutTests, LocalFixtures):
    pass


class TestLocalOpen(abstract.AbstractOpenTests, LocalFixtures):
    pass


class TestLocalPipe(abstract.AbstractPipeTests, LocalFixtures):
    pass
