"""The configurations, limits and lifetime of an instance."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sealift import (
    AsyncStorage,
    ClosedError,
    GCSConfig,
    HTTPConfig,
    InvalidConfig,
    Limits,
    S3Config,
    StorageError,
)
from sealift.types import MiB
from tests.api.helpers import config_of, files_in, open_files
from tests.api.servers import FakeS3
from tests.api.test_lifetimes import until
from tests.cli.program import environ_for
from tests.services.s3 import MakeBucket, S3Service, put_objects

pytestmark = pytest.mark.anyio

SECRET = "Pa55word"
# A configuration that no request succeeds with.
UNUSABLE = S3Config("A", SECRET, endpoint_url="http://127.0.0.1:1")


async def test_two_services_on_one_instance(
    seaweedfs: S3Service, rclone_s3: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    """Every kind of call uses the configuration of each of its URIs."""
    here, there = f"s3://{make_bucket(seaweedfs)}", f"s3://{make_bucket(rclone_s3)}"
    (tmp_path / "m").write_bytes(b"m")
    config = {f"{here}/": config_of(seaweedfs), there: config_of(rclone_s3), "s3://": UNUSABLE}
    async with AsyncStorage(config=config) as storage:
        await storage.upload(tmp_path / "m", f"{here}/p/m")
        assert await storage.copy(f"{here}/p/", f"{there}/q/") == f"{there}/q/"
        assert await storage.copy_object(f"{there}/q/m", f"{here}/p/n")
        synced = await storage.sync(f"{here}/p/", f"{there}/q/", checksum=True)
        assert synced.copied + synced.kept == 2
        assert await storage.list_objects(f"{there}/q/") == ["m", "n"]
        assert [each.key async for each in storage.objects(f"{here}/p/")] == ["p/m", "p/n"]
        assert await storage.read_many([f"{here}/p/m", f"{there}/q/n"]) == [b"m", b"m"]
        assert [chunk async for chunk in storage.open(f"{there}/q/m")] == [b"m"]
        assert (await storage.get_object_metadata(f"{here}/p/m"))["size"] == 1
        await storage.download_many([(f"{here}/p/", tmp_path / "1"), (f"{there}/q/", tmp_path / "2")])
        assert await storage.delete(f"{there}/q/", recursive=True) == 2
        assert await storage.delete_many([f"{here}/p/m", f"{here}/p/n"]) == [True, True]
    assert files_in(tmp_path) == {"m": b"m", "1/m": b"m", "1/n": b"m", "2/m": b"m", "2/n": b"m"}


async def test_the_configuration_of_a_call_takes_precedence(
    seaweedfs: S3Service, rclone_s3: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket, other = make_bucket(seaweedfs), make_bucket(rclone_s3)
    put_objects(seaweedfs, bucket, {"m": b"m"})
    storage = AsyncStorage(config=UNUSABLE)
    own, others = config_of(seaweedfs), config_of(rclone_s3)
    assert await storage.read(f"s3://{bucket}/m", config=own) == b"m"
    assert await storage.download(f"s3://{bucket}/m", tmp_path / "m", config=own) == f"{tmp_path}/m"
    # The configuration of a call is for its source and a destination of the same scheme, as without an instance's.
    await storage.copy(f"s3://{bucket}/m", f"s3://{bucket}/n", config=own)
    await storage.copy(f"s3://{bucket}/m", f"s3://{other}/m", config=own, dest_config=others)
    await storage.copy(tmp_path / "m", f"s3://{other}/n", config=others)
    mixed = AsyncStorage(config=own)
    await mixed.copy(f"s3://{bucket}/m", f"s3://{other}/o", dest_config=others)
    assert await storage.list_objects(f"s3://{other}", config=others) == ["m", "n", "o"]


async def test_without_one_that_applies_the_environment_does(seaweedfs: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(seaweedfs)
    put_objects(seaweedfs, bucket, {"m": b"m"})
    for config in (HTTPConfig(), [GCSConfig(), HTTPConfig()], {"s3://another-bucket/": UNUSABLE}):
        storage = AsyncStorage(config=config, environ=environ_for(seaweedfs))
        assert await storage.read(f"s3://{bucket}/m") == b"m"


async def test_equal_calls_with_different_configurations_are_not_shared(tmp_path: Path) -> None:
    """Two instances download the same URI to the same path, but from different services."""
    with FakeS3({"b": {"m": b"one"}}) as first, FakeS3({"b": {"m": b"two"}}) as second:
        storages = [AsyncStorage(config=server.config) for server in (first, second)]
        await asyncio.gather(*(storage.download("s3://b/m", tmp_path / "m") for storage in storages))
        assert first.asked
        assert second.asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limits": S3Config()}, "S3Config is not Limits (pass Limits(…), and a configuration as config=)"),
        ({"limits": "64MiB"}, "str is not Limits (pass Limits(…), and a configuration as config=)"),
        ({"config": Limits()}, "Limits is not a configuration (pass it as limits=)"),
        ({"config": "s3://b"}, "str is not a configuration (pass one configuration, a list of them, or a mapping"),
        ({"config": {"gs://": S3Config()}}, "gs://: S3Config is not for gs:// (pass a GCSConfig)"),
        ({"environ": {"SEALIFT_MEMORY": "much"}}, "the environment variable SEALIFT_MEMORY is 'much' (set it to"),
    ],
)
async def test_arguments_that_cannot_be_used(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        AsyncStorage(**arguments)
    assert str(caught.value).startswith(message)


async def test_configurations_of_a_call_that_cannot_be_used(tmp_path: Path) -> None:
    storage = AsyncStorage()
    with pytest.raises(InvalidConfig) as caught:
        await storage.download("s3://b/m", tmp_path / "m", config=GCSConfig())
    assert str(caught.value) == "download s3://b/m: GCSConfig is not for s3:// (pass an S3Config)"
    with pytest.raises(InvalidConfig, match=r"^copy s3://b/m to gs://b/m: S3Config is not for gs:// \(pass a GCS"):
        await storage.copy("s3://b/m", "gs://b/m", config=S3Config(), dest_config=S3Config())
    with pytest.raises(InvalidConfig, match=r"^read s3://b/m: list is not a configuration .*AsyncStorage\(config=…\)"):
        await storage.read("s3://b/m", config=[S3Config()])  # type: ignore[arg-type]
    with pytest.raises(InvalidConfig, match=r"^read file:///x: Limits is not a configuration"):
        await storage.read("/x", config=Limits())  # type: ignore[arg-type]
    assert files_in(tmp_path) == {}


async def test_limits_come_from_the_environment_of_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALIFT_PART_SIZE", "8MiB")
    monkeypatch.setenv("SEALIFT_CONNECTIONS", "7")
    assert repr(AsyncStorage()) == f"AsyncStorage(limits=Limits(connections=7, part_size={8 * MiB}))"
    assert repr(AsyncStorage(Limits(attempts=2))) == "AsyncStorage(limits=Limits(attempts=2))"
    assert repr(AsyncStorage(environ={"SEALIFT_PATIENCE": "3"})) == "AsyncStorage(limits=Limits(patience=3.0))"
    assert repr(AsyncStorage(environ={})) == "AsyncStorage()"


async def test_the_text_of_an_instance_shows_no_secrets() -> None:
    storage = AsyncStorage(config={"s3://": UNUSABLE}, environ={"AWS_SECRET_ACCESS_KEY": SECRET})
    assert SECRET not in repr(storage)
    assert repr(storage) == (
        "AsyncStorage(config={'s3://': S3Config(access_key_id='A', secret_access_key=…, "
        "endpoint_url='http://127.0.0.1:1')})"
    )
    await storage.aclose()
    assert repr(storage).endswith(", closed)")


class TestClosing:
    async def test_later_calls_are_refused(self, tmp_path: Path) -> None:
        storage = AsyncStorage()
        with FakeS3({"b": {"m": b"m"}}) as server:
            files = open_files()
            assert await storage.read("s3://b/m", config=server.config) == b"m"
            await storage.aclose()
            await until(lambda: {name for name in open_files() - files if name.startswith("socket:")} == set())
            requests = len(server.asked)
            for call in (
                storage.read("s3://b/m", config=server.config),
                storage.download("s3://b/m", tmp_path / "m", config=server.config),
                storage.read_many(["s3://b/m"], config=server.config),
            ):
                with pytest.raises(ClosedError, match=r"s3://b/m: this AsyncStorage is closed \(make a new one\)"):
                    await call
            with pytest.raises(ClosedError, match="this AsyncStorage is closed"):
                async with storage:
                    pass
            assert len(server.asked) == requests
        assert files_in(tmp_path) == {}
        assert "closed" in repr(storage)

    async def test_running_calls_finish(self, tmp_path: Path) -> None:
        with FakeS3({"b": {"m": b"0123456789"}}, stall={"m": 5}) as server:
            storage = AsyncStorage(config=server.config)
            running = asyncio.ensure_future(storage.download("s3://b/m", tmp_path / "m"))
            await until(server.stalled.is_set)
            await storage.aclose()
            with pytest.raises(ClosedError):
                await storage.read("s3://b/m")
            server.release()
            await running
        assert files_in(tmp_path) == {"m": b"0123456789"}

    async def test_twice_and_without_a_call(self) -> None:
        storage = AsyncStorage()
        await storage.aclose()
        await storage.aclose()

    async def test_inside_a_block(self) -> None:
        with FakeS3({"b": {"m": b"m"}}) as server:
            async with AsyncStorage(config=server.config) as storage:
                assert await storage.read("s3://b/m") == b"m"
                await storage.aclose()
                with pytest.raises(ClosedError):
                    await storage.read("s3://b/m")

    async def test_after_a_failure(self) -> None:
        storage = AsyncStorage(Limits(attempts=1), config=UNUSABLE)
        with pytest.raises(StorageError):
            await storage.read("s3://b/m")
        await storage.aclose()
        with pytest.raises(ClosedError):
            await storage.read("s3://b/m")
