"""What the clients that read tensors measure themselves, written to `report.json`. All import torch first."""

import json
import time
import zlib
from pathlib import Path
from typing import Any


def _resident() -> int:
    """The resident memory of this process, in bytes."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


class TensorReport:
    """Keeps tensors of torch, and measures the time until the first one and the last one has arrived.

    The time of imports does not count. Each client keeps all tensors, as a model does.
    """

    def __init__(self) -> None:
        self._resident = _resident()
        self._began = time.perf_counter()
        self._first: float | None = None
        self._kept: dict[str, Any] = {}

    def keep(self, name: str, tensor: Any) -> None:
        if self._first is None:
            self._first = time.perf_counter() - self._began
        self._kept[name] = tensor

    def write(self, *, check: bool, bytes_read: int | None = None) -> None:
        """Write the report.

        Args:
            check: Whether to add the sum of the CRCs of all tensors.
            bytes_read: Bytes that were requested, if the client knows.
        """
        import torch

        report: dict[str, float] = {
            "download_s": time.perf_counter() - self._began,
            "first_s": self._first or 0.0,
            "resident_before": self._resident,
            "weights": sum(tensor.nbytes for tensor in self._kept.values()),
        }
        if bytes_read is not None:
            report["bytes_read"] = bytes_read
        if check:
            report["check"] = sum(
                zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy()) for tensor in self._kept.values()
            )
        Path("report.json").write_text(json.dumps(report))
