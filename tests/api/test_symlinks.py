"""`symlinks="skip"`: links in a local source are neither followed nor copied."""

from pathlib import Path
from typing import Any

import pytest

from sealift import AsyncStorage, Event, InvalidConfig
from tests.api.helpers import files_in
from tests.api.stores import Store, directory, prefix
from tests.services.s3 import MakeBucket, S3Service

pytestmark = pytest.mark.anyio

FILES = {"config.json": b"{}", "step-2/weights": b"w"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Files, links to a file and to a directory, one to nothing, and one to a directory above."""
    root = tmp_path / "source"
    directory(root).put(FILES)
    (root / "settings.json").symlink_to("config.json")
    (root / "latest").symlink_to("step-2")
    (root / "broken").symlink_to("nowhere")
    (root / "step-2" / "loop").symlink_to("..")
    return root


LINKS = {"settings.json", "latest", "broken", "step-2/loop"}


@pytest.fixture(params=["local", "s3"])
def target(request: pytest.FixtureRequest, seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> Store:
    if request.param == "local":
        return directory(tmp_path / "target")
    return prefix(seaweedfs, make_bucket(seaweedfs), "to")


@pytest.mark.parametrize("verb", ["upload", "copy", "sync"])
async def test_links_are_left_out_and_reported(source: Path, target: Store, verb: str) -> None:
    if verb == "upload" and target.config is None:
        verb = "copy"
    storage, events = AsyncStorage(), list[Event]()
    configs: dict[str, Any] = {"config": target.config} if verb == "upload" else {"dest_config": target.config}
    await getattr(storage, verb)(str(source), target.uri, symlinks="skip", on_event=events.append, **configs)
    assert target.content() == FILES
    told = {event.key: event.reason for event in events if event.kind == "skipped"}
    assert told == {f"{str(source)[1:]}/{link}": "symbolic link, not followed" for link in LINKS}


async def test_the_path_that_the_caller_names_is_followed(source: Path, tmp_path: Path) -> None:
    (tmp_path / "named").symlink_to("source")
    await AsyncStorage().copy(str(tmp_path / "named"), str(tmp_path / "to"), symlinks="skip")
    assert files_in(tmp_path / "to") == FILES
    await AsyncStorage().copy(str(source / "settings.json"), str(tmp_path / "file"), symlinks="skip")
    assert (tmp_path / "file").read_bytes() == b"{}"


async def test_a_sync_does_not_delete_what_is_a_link_at_the_source(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    directory(target).put({"latest/weights": b"old", "extra": b"x"})
    result = await AsyncStorage().sync(str(source), str(target), symlinks="skip", delete=True)
    assert (result.copied, result.deleted) == (2, 1)
    assert files_in(target) == {**FILES, "latest/weights": b"old"}


async def test_many(source: Path, seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    target = prefix(seaweedfs, make_bucket(seaweedfs), "to")
    await AsyncStorage().upload_many([(source, target.uri)], config=target.config, symlinks="skip")
    assert target.content() == FILES


async def test_a_wrong_value(source: Path) -> None:
    storage: Any = AsyncStorage()
    with pytest.raises(InvalidConfig, match="symlinks='copy' is not 'follow' or 'skip'"):
        await storage.copy(str(source), str(source), symlinks="copy")
