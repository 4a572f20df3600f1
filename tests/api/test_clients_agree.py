"""Other clients read what sealift has written, and the reverse, also from many threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sealift import AsyncStorage, Limits, Storage
from sealift.types import MiB
from tests.api.helpers import config_of, files_in
from tests.api.servers import pattern
from tests.services.s3 import (
    ODD_KEYS,
    MakeBucket,
    S3Service,
    client,
    get_objects,
    put_objects,
    stored_checksums,
    unfinished_uploads,
)

PART = 5 * MiB
FILES = {
    **{f"size/{size}": pattern(size) for size in (0, 1, 1000, MiB, PART, PART + 1, 2 * PART, 17_000_003)},
    **{f"odd/{key}": key.encode() for key in ODD_KEYS},
}


@pytest.fixture(params=["seaweedfs", "moto", "rclone_s3"])
def service(request: pytest.FixtureRequest) -> S3Service:
    chosen: S3Service = request.getfixturevalue(request.param)
    return chosen


def store(directory: Path) -> None:
    for name, data in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.anyio
async def test_botocore_reads_what_sealift_wrote(service: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(service)
    store(tmp_path)
    await AsyncStorage(Limits(part_size=PART)).upload(tmp_path, f"s3://{bucket}/", config=config_of(service))
    assert get_objects(service, bucket) == FILES
    sizes = {key: client(service).head_object(Bucket=bucket, Key=key)["ContentLength"] for key in FILES}
    assert sizes == {key: len(data) for key, data in FILES.items()}


@pytest.mark.anyio
@pytest.mark.parametrize("part_size", [None, PART])
async def test_sealift_reads_what_botocore_wrote(
    service: S3Service, make_bucket: MakeBucket, tmp_path: Path, part_size: int | None
) -> None:
    bucket = make_bucket(service)
    put_objects(service, bucket, {key: data for key, data in FILES.items() if len(data) <= PART})
    put_objects(service, bucket, {key: data for key, data in FILES.items() if len(data) > PART}, part_size=part_size)
    await AsyncStorage(Limits(part_size=PART)).download(f"s3://{bucket}/", tmp_path / "all", config=config_of(service))
    assert files_in(tmp_path / "all") == FILES


@pytest.mark.anyio
async def test_both_write_the_same_checksum(seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket = make_bucket(seaweedfs)
    (tmp_path / "k").write_bytes(FILES["size/17000003"])
    await AsyncStorage(Limits(part_size=PART)).upload(
        tmp_path / "k", f"s3://{bucket}/ours", config=config_of(seaweedfs)
    )
    put_objects(seaweedfs, bucket, {"theirs": FILES["size/17000003"]}, part_size=PART + 4096, checksum="CRC64NVME")
    ours, theirs = (stored_checksums(seaweedfs, bucket, key) for key in ("ours", "theirs"))
    assert ours == theirs
    assert set(ours) == {"crc64nvme", "type"}


def test_many_threads_upload_and_download_at_once(
    seaweedfs: S3Service, make_bucket: MakeBucket, tmp_path: Path
) -> None:
    bucket, config, count = make_bucket(seaweedfs), config_of(seaweedfs), 32
    together = threading.Barrier(count, timeout=60)
    (tmp_path / "back").mkdir()
    bodies = [pattern(number + (9 * MiB if number % 8 == 0 else 1000 * number))[::-1] for number in range(count)]
    put_objects(seaweedfs, bucket, {f"before/{number}": data for number, data in enumerate(bodies)})
    for number, data in enumerate(bodies):
        (tmp_path / str(number)).write_bytes(data)

    def work(number: int) -> tuple[bytes, bytes]:
        together.wait()
        uri, before = f"s3://{bucket}/after/{number}", f"s3://{bucket}/before/{number}"
        if number % 2:
            Storage.upload(tmp_path / str(number), uri, config=config)
        found = Storage.download(before, f"{tmp_path}/back/{number}-before", config=config)
        if not number % 2:
            Storage.upload(tmp_path / str(number), uri, config=config)
        again = Storage.download(uri, f"{tmp_path}/back/{number}-after", config=config)
        return Path(found).read_bytes(), Path(again).read_bytes()

    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(work, range(count)))
    assert found == [(data, data) for data in bodies]
    stored = {f"{time}/{number}": data for number, data in enumerate(bodies) for time in ("before", "after")}
    assert get_objects(seaweedfs, bucket) == stored
    assert unfinished_uploads(seaweedfs, bucket) == []
