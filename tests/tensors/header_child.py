"""Open a file or an index, and print how much resident memory that took at most, in bytes; for test_header_memory.py.

`python header_child.py SMALL PATH`: SMALL is a file that is opened first, so that imports do not count.
"""

import sys
from pathlib import Path

from sealift import Storage, TensorFileError
from tests.tensors.resident_memory import reset_peak, status

small, path = map(Path, sys.argv[1:])
with Storage.tensors(small) as tensors:
    assert tensors.names
before = reset_peak()
try:
    with Storage.tensors(path) as tensors:
        outcome = f"{len(tensors.names)} tensors"
except TensorFileError as error:
    outcome = error.cause
print(status("VmHWM") - before, outcome)
