import signal
from pathlib import Path

import pytest

from sealift.cli import exits

from .program import TIMEOUT, start
from .stalling import StallingS3


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, exits.INTERRUPTED), (signal.SIGTERM, exits.TERMINATED)])
def test_a_signal_ends_a_transfer_cleanly(
    stalling: StallingS3, tmp_path: Path, loop: str, number: signal.Signals, code: int
) -> None:
    transfer = ("cp", *stalling.options, "s3://models/big.bin", tmp_path / "big.bin")
    with start(*transfer, environ={"SEALIFT_LOOP": loop}) as process:
        assert stalling.asked.wait(TIMEOUT)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout, stderr) == (code, "", "error: interrupted\n")
    assert list(tmp_path.iterdir()) == []
