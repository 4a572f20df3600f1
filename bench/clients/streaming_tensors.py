"""Read tensors with safetensors-streaming, by HTTP: `streaming_tensors.py INDEX [--check]`."""

import json
import os
import sys
from pathlib import Path

import safetensors_streaming
import torch  # noqa: F401 - imported before the time is measured, as by all clients
from tensor_report import TensorReport

FOLDER = sys.argv[1].rpartition("/")[0].replace("s3://", f"{os.environ['AWS_ENDPOINT_URL']}/")
NAMES = sorted(set(json.loads(Path(os.environ["INDEX"]).read_text())["weight_map"].values()))

report = TensorReport()
for name in NAMES:
    for key, tensor in safetensors_streaming.stream_tensors(f"{FOLDER}/{name}"):
        report.keep(key, tensor)
report.write(check="--check" in sys.argv)
