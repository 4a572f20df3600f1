"""A configuration that is passed by position is accepted, with a warning."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealift import AsyncStorage, S3Config, Storage, StorageOperations
from tests.api.servers import FakeS3


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with FakeS3({"b": {"p/m": b"model"}}) as running:
        yield running


@pytest.mark.anyio
async def test_in_an_event_loop(server: FakeS3, tmp_path: Path) -> None:
    storage, config = AsyncStorage(), server.config
    with pytest.warns(DeprecationWarning, match="download as config=…"):
        await storage.download("s3://b/p/m", tmp_path / "m", config)
    with pytest.warns(DeprecationWarning, match="copy as config=…"):
        await storage.copy("s3://b/p/m", str(tmp_path / "n"), config, config)
    with pytest.warns(DeprecationWarning, match="list as config=…"):
        assert [each.key async for each in storage.list("s3://b/p/", config)]
    assert (tmp_path / "m").read_bytes() == b"model"


def test_elsewhere(server: FakeS3, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="download as config=…"):
        Storage.download("s3://b/p/m", str(tmp_path / "m"), server.config)
    with pytest.warns(DeprecationWarning, match="list_objects as config=…"):
        assert StorageOperations.list_objects("s3://b/p/", server.config) == ["m"]


def test_anything_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        Storage.download("s3://b/p/m", str(tmp_path), "config")  # type: ignore[call-arg, arg-type]
    with pytest.raises(TypeError, match="positional argument"):
        Storage.download("s3://b/p/m", str(tmp_path), S3Config(), None, None)  # type: ignore[call-arg]


@pytest.mark.parametrize("verb", ["download", "upload", "copy", "sync", "delete", "read"])
def test_the_signature_says_that_it_is_keyword_only(verb: str) -> None:
    for owner in (AsyncStorage, Storage):
        config = inspect.signature(getattr(owner, verb)).parameters["config"]
        assert config.kind is inspect.Parameter.KEYWORD_ONLY
    assert inspect.iscoroutinefunction(getattr(AsyncStorage, verb))
