import signal
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from tests.services.s3 import MakeBucket, S3Service, client

from .program import TIMEOUT, start
from .stalling import StallingS3


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, exit_codes.INTERRUPTED), (signal.SIGTERM, exit_codes.TERMINATED)]
)
def test_a_signal_stops_a_transfer_cleanly(
    stalling: StallingS3, tmp_path: Path, loop: str, number: signal.Signals, code: int
) -> None:
    transfer = ("cp", *stalling.options, "s3://models/big.bin", tmp_path / "big.bin")
    with start(*transfer, environ={"SEALIFT_LOOP": loop}) as process:
        assert stalling.body_requested.wait(TIMEOUT)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout, stderr) == (code, "", "error: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["cp", "sync"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, exit_codes.INTERRUPTED), (signal.SIGTERM, exit_codes.TERMINATED)]
)
def test_a_signal_aborts_multipart_uploads(
    stalling: StallingS3,
    seaweedfs: S3Service,
    make_bucket: MakeBucket,
    environ: dict[str, str],
    command: str,
    number: signal.Signals,
    code: int,
) -> None:
    bucket, s3 = make_bucket(seaweedfs), client(seaweedfs)

    def uploads() -> list[str]:
        return [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]

    source, key = ("s3://models/big.bin", "big.bin") if command == "cp" else ("s3://models/dir/", "dir/big.bin")
    target = f"s3://{bucket}/{key.removesuffix('/big.bin')}"
    with start(command, *stalling.source_options, source, target, environ=environ) as process:
        assert stalling.body_requested.wait(TIMEOUT)
        assert uploads() == [key]
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout, stderr) == (code, "", "error: interrupted\n")
    assert uploads() == []
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
