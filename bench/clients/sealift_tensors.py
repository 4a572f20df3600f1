"""Read tensors with sealift: `sealift_tensors.py INDEX [--rank N] [--check]`.

INDEX is the URI of the index. With `--rank`, the process is one of two that read half of the rows of each matrix.
"""

import sys

import torch  # noqa: F401 - imported before the time is measured, as by all clients
from tensor_report import TensorReport

from sealift import Storage, Tensors


def halves(tensors: Tensors, rank: int) -> dict[str, tuple[int, int, int]]:
    """The rows of this rank."""
    rows = {name: tensors.meta(name).shape[0] for name in tensors.names}
    return {name: (0, count * rank // 2, count * (rank + 1) // 2) for name, count in rows.items()}


report = TensorReport()
with Storage.tensors(sys.argv[1], framework="torch") as opened:
    part = halves(opened, int(sys.argv[sys.argv.index("--rank") + 1])) if "--rank" in sys.argv else None
    for name, tensor in opened.stream(slices=part):
        report.keep(name, tensor)
    report.write(check="--check" in sys.argv, bytes_read=opened.bytes_read)
