"""Run the code of the pages in docs/ for users of other tools."""

import json
import subprocess
import sys
from pathlib import Path

from tests.api.conftest import bare_environment, what_may_block
from tests.api.helpers import files_in
from tests.api.stores import objects_in
from tests.facade.conftest import the_facade_may_block
from tests.services.hub import FakeHub
from tests.services.s3 import S3Service

from .page import Session
from .reader import LLAMA, elsewhere, here, objects, s3, session

__all__ = [
    "bare_environment", "elsewhere", "here", "objects", "s3", "session", "the_facade_may_block", "what_may_block",
]  # fmt: skip

# `install()` changes `kserve` for the whole process.
IN_A_PROCESS = """
import json, os, sys
from pathlib import Path

from tests.examples.page import Session

session = Session(Path.cwd(), json.loads(sys.argv[1]), os.environ, Path.cwd())
session.run("from-kserve.md")
assert session.names["Storage"] is __import__("sealift").Storage
"""


def test_from_kserve(session: Session, here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_PROCESS, json.dumps(session.replace)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(files_in(here / "mnt/models/iris")) == {"model.joblib", "tokenizer/vocab.json"}


def test_from_boto3(session: Session, s3: S3Service) -> None:
    session.run("from-boto3.md")
    assert objects_in(s3, "ml-models", "llama-2/") == {f"llama-2/{name}": data for name, data in LLAMA.items()}
    assert session.names["sizes"]["llama/config.json"] == len(LLAMA["config.json"])


def test_from_huggingface_hub(session: Session, elsewhere: FakeHub, here: Path) -> None:
    session.run("from-huggingface-hub.md")
    files = {"config.json": b"{}", "model.safetensors": b"large"}
    assert files_in(here / "mnt/models/e5") == files
    assert files_in(here / "e5") == {"model.safetensors": b"large"}
    assert files_in(here / "mnt/models/e5-mirrored").keys() > files.keys()


def test_from_s5cmd(session: Session, here: Path, s3: S3Service) -> None:
    session.run("from-s5cmd.md")
    assert files_in(here / "llama") == {name: data for name, data in LLAMA.items() if not name.endswith(".bin")}
    assert set(files_in(here / "models")) == {"model.joblib"}
    there = objects_in(s3, "ml-models")
    assert there["llama/empty.json"] == b"{}\n"
    assert "old/model" not in there
    assert "would remove s3://ml-models/llama/pytorch.bin\n" in session.output
