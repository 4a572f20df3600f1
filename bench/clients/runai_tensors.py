"""Read tensors with the Run:ai model streamer, in its S3 mode: `runai_tensors.py INDEX [--check]`.

The streamer uses its buffer again, so that a program that keeps a tensor has to copy it.
"""

import json
import os
import sys
from pathlib import Path

import torch  # noqa: F401 - imported before the time is measured, as by all clients
from runai_model_streamer import SafetensorsStreamer
from tensor_report import TensorReport

FOLDER = sys.argv[1].rpartition("/")[0]
# The streamer reads no index; the harness keeps it beside the server's objects, too.
NAMES = sorted(set(json.loads(Path(os.environ["INDEX"]).read_text())["weight_map"].values()))

report = TensorReport()
with SafetensorsStreamer() as streamer:
    streamer.stream_files([f"{FOLDER}/{name}" for name in NAMES])
    for name, tensor in streamer.get_tensors():
        report.keep(name, tensor.clone())
report.write(check="--check" in sys.argv)
