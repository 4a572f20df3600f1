"""Download with sealift, and read the files with the official library.

`downloaded_tensors.py INDEX DIRECTORY [--check]`

The weights are copied out of the mapped files, as a program does that removes the files afterwards.
"""

import json
import os
import sys
from pathlib import Path

import torch  # noqa: F401 - imported before the time is measured, as by all clients
from safetensors.torch import load_file
from tensor_report import TensorReport

from sealift import Storage

FOLDER = sys.argv[1].rpartition("/")[0]
NAMES = sorted(set(json.loads(Path(os.environ["INDEX"]).read_text())["weight_map"].values()))

report = TensorReport()
paths = Storage.download_many([(f"{FOLDER}/{name}", f"{sys.argv[2]}/{name}") for name in NAMES])
for path in paths:
    for name, tensor in load_file(path).items():
        report.keep(name, tensor.clone())
report.write(check="--check" in sys.argv)
