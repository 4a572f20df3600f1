import fcntl
import os
import pty
import signal
import termios
from functools import partial
from pathlib import Path

import pytest

from sealift.cli import exit_codes
from sealift.types import MiB
from tests.api.forwarder import Forwarder
from tests.api.servers import pattern
from tests.services.s3 import MakeBucket, S3Service, client

from .conftest import Invoke, objects_in
from .program import TIMEOUT, run, start
from .stalling import StallingS3

SIGNALS = [
    (signal.SIGINT, exit_codes.INTERRUPTED),
    (signal.SIGTERM, exit_codes.TERMINATED),
    (signal.SIGHUP, exit_codes.HUNG_UP),
]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("number", "code"), SIGNALS)
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
@pytest.mark.parametrize(("number", "code"), SIGNALS)
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


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_an_interrupted_upload_resumes(
    seaweedfs: S3Service,
    make_bucket: MakeBucket,
    environ: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
    code: int,
) -> None:
    bucket, data = make_bucket(seaweedfs), pattern(26 * MiB)
    (tmp_path / "big.bin").write_bytes(data)
    with Forwarder(seaweedfs.endpoint) as forwarder:
        environ |= {"AWS_ENDPOINT_URL": forwarder.url}
        # Parts of 5 MiB, one at a time.
        upload = ("cp", "--memory", "40MiB", "--connections", "1", tmp_path / "big.bin", f"s3://{bucket}/big.bin")
        passage = forwarder.passage(17 * MiB)
        with start(*upload, environ=environ) as process:
            assert passage.held.wait(TIMEOUT)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        message = "15.7 MB are stored; run the same command again to resume\nerror: interrupted\n"
        assert (process.returncode, stdout, stderr) == (code, "", message)
        passage = forwarder.passage()
        done = run(*upload, environ=environ)
        assert (done.returncode, "; 15.7 MB already transferred" in done.stderr) == (0, True)
        assert 11 * MiB < passage.sent < 12 * MiB
    assert objects_in(seaweedfs, bucket) == {"big.bin": data}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_that_is_ignored_stays_ignored(stalling: StallingS3, tmp_path: Path, number: signal.Signals) -> None:
    """As `nohup` ignores SIGHUP."""
    transfer = ("cp", *stalling.options, "s3://models/big.bin", tmp_path / "big.bin")
    with start(*transfer, preexec_fn=partial(_ignore, number)) as process:
        assert stalling.body_requested.wait(TIMEOUT)
        process.send_signal(number)
        stalling.release()
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout) == (0, f"{tmp_path}/big.bin\n"), stderr
    assert [path.name for path in tmp_path.iterdir()] == ["big.bin"]


def _ignore(number: int) -> None:
    signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_is_closed(stalling: StallingS3, tmp_path: Path, *, ignored: bool) -> None:
    """The command gets SIGHUP, and cannot write to the terminal any more."""
    terminal, side = pty.openpty()
    try:
        process = start(
            "cp", *stalling.options, "s3://models/big.bin", tmp_path / "big.bin",
            stderr=side, preexec_fn=partial(_lead_terminal, side, ignored=ignored),
        )  # fmt: skip
    finally:
        os.close(side)
    with process:
        assert stalling.body_requested.wait(TIMEOUT)
        assert os.read(terminal, 1)  # it has drawn a progress bar
        os.close(terminal)
        if ignored:
            stalling.release()
        stdout, _ = process.communicate(timeout=TIMEOUT)
    if ignored:
        assert (process.returncode, stdout) == (0, f"{tmp_path}/big.bin\n")
    else:
        assert (process.returncode, stdout, list(tmp_path.iterdir())) == (exit_codes.HUNG_UP, "", [])


def _lead_terminal(side: int, *, ignored: bool) -> None:
    os.setsid()
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)


def test_an_upload_that_fails_is_kept_until_it_is_aborted(
    seaweedfs: S3Service, make_bucket: MakeBucket, environ: dict[str, str], tmp_path: Path
) -> None:
    bucket, data = make_bucket(seaweedfs), pattern(26 * MiB)
    (tmp_path / "big.bin").write_bytes(data)
    with Forwarder(seaweedfs.endpoint) as forwarder:
        environ |= {"AWS_ENDPOINT_URL": forwarder.url}
        upload = ("cp", "--memory", "40MiB", "--connections", "1", tmp_path / "big.bin", f"s3://{bucket}/big.bin")
        passage = forwarder.passage(17 * MiB)
        with start(*upload, environ=environ) as process:
            assert passage.held.wait(TIMEOUT)
            (tmp_path / "big.bin").unlink()
            passage.release()
            _, stderr = process.communicate(timeout=TIMEOUT)
        assert process.returncode == exit_codes.NOT_FOUND
        assert f"{20 * MiB} bytes are stored; try again to resume" in stderr
        done = run("rm", "--incomplete", f"s3://{bucket}/", environ=environ)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "aborted 1 incomplete upload\n")
        done = run("rm", "--incomplete", f"s3://{bucket}/", environ=environ)
        assert done.stderr == "aborted 0 incomplete uploads\n"
    assert "Uploads" not in client(seaweedfs).list_multipart_uploads(Bucket=bucket)


def test_incomplete_uploads_have_no_patterns(invoke: Invoke) -> None:
    result = invoke("rm", "--incomplete", "-r", "s3://b/k")
    assert result.exit_code == exit_codes.USAGE
    assert "--incomplete cannot be combined with" in result.stderr
