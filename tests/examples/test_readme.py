"""Run the examples of README.md, and check their results.

Directories, keys and endpoints are replaced; names that an example uses without importing them are supplied.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import numpy as np
import pytest

import sealift
from sealift import AsyncStorage, S3Config, Storage, Synced
from sealift.integrations.opentelemetry import uninstrument
from tests.api.conftest import bare_environment, what_may_block
from tests.api.helpers import config_of, files_in
from tests.api.stores import objects_in
from tests.cli.program import clean_environ, environ_for
from tests.facade.conftest import the_facade_may_block
from tests.services.s3 import S3Service, client, put_objects

from .reader import LLAMA, NEW, elsewhere, here, objects, own, s3
from .readme import BLOCKS, code_of, run

__all__ = [
    "bare_environment", "elsewhere", "here", "objects", "own", "s3", "the_facade_may_block", "what_may_block",
]  # fmt: skip

# These install, and the second one runs these tests; tests/cli/test_demo.py tests the demo.
INSTALL = 'python -m pip install ".[demo]"', "python -m pip install tox", 'python -m pip install "sealift[uvloop]"'
SHELL, KSERVE = "sealift cp -r ", "import sealift.kserve"
COPIES, ELSEWHERE = 'Storage.copy("s3://ml-models/llama/"', 'Storage.download("gs://ml-models/iris/"'

Check = Callable[[SimpleNamespace], object]
CHECKS: dict[str, Check] = {}


def example(start: str) -> Callable[[Check], Check]:
    """Register a check of the example that starts with a text."""
    return lambda check: CHECKS.setdefault(start, check)


def begin(code: str) -> str:
    """Return the known start of a code block."""
    (found,) = (start for start in (*CHECKS, *INSTALL, SHELL, KSERVE) if code.startswith(start))
    return found


@example("from sealift import Storage")
def in_a_model(done: SimpleNamespace) -> None:
    assert Path(done.path).read_bytes() == done.objects["iris/model.joblib"]
    assert done.model.predict([[5.1, 3.5, 1.4, 0.2]]).tolist() == [0]


@example("from sealift import AsyncStorage")
def in_a_server(done: SimpleNamespace) -> None:
    assert done.path == f"{done.here}/mnt/models/llama"
    assert done.model == LLAMA


@example('Storage.download("s3://ml-models/iris/model.joblib", "/mnt/models/")')
def files_and_directories(done: SimpleNamespace) -> None:
    there = done.here / "mnt/models"
    assert done.results == [f"{there}/model.joblib", f"{there}/llama", f"{there}/iris"]
    assert files_in(there) == {
        "model.joblib": done.objects["iris/model.joblib"],
        "llama/config.json": LLAMA["config.json"],
        "llama/model.safetensors": LLAMA["model.safetensors"],
        "iris/model": b"local",
    }


@example(ELSEWHERE)
def other_schemes(done: SimpleNamespace) -> None:
    there = done.here / "mnt/models"
    assert done.results == [*[f"{there}/iris"] * 2, f"{there}/e5", f"{there}/iris", f"{done.here}/claim/xgboost"]
    assert files_in(there) == {
        "iris/from-google": b"g",
        "iris/from-microsoft": b"a",
        "iris/from-the-web": b"w",
        "e5/config.json": b"{}",
        "e5/model.safetensors": b"large",
    }


@example('Storage.upload("iris.joblib"')
def uploads(done: SimpleNamespace) -> None:
    assert done.results == [True, True]
    there = objects_in(done.s3, "ml-models")
    assert there["iris/iris.joblib"] == done.objects["iris/model.joblib"]
    assert {name: there.get(f"llama/{name}") for name in (*NEW, "left-out.bin")} == {**NEW, "left-out.bin": None}


@example("options = WriteOptions(")
def written(done: SimpleNamespace) -> None:
    assert done.results == [True]
    head = client(done.s3).head_object(Bucket="ml-models", Key="llama/model-2.safetensors")
    assert (head["Metadata"], head["CacheControl"]) == ({"team": "nlp"}, "max-age=3600")


@example('Storage.download("s3://ml-models/llama/", "/mnt/models/llama", progress=True)')
def with_progress(done: SimpleNamespace) -> None:
    assert files_in(done.here / "mnt/models/llama") == LLAMA


@example("from sealift.integrations.opentelemetry import instrument")
def traced(done: SimpleNamespace) -> None:
    uninstrument()


@example(COPIES)
def copies(done: SimpleNamespace) -> None:
    assert done.results == [
        "s3://archive/llama/", "s3://mirror/iris/", Synced(copied=2, kept=14, deleted=1), 1, True, True,
    ]  # fmt: skip
    assert files_in(done.here / "mnt/models/llama") == LLAMA | NEW
    assert objects_in(done.s3, "archive") == {f"llama/{name}": data for name, data in {**LLAMA, **NEW}.items()}
    iris = {key: data for key, data in done.objects.items() if key.startswith("iris/")}
    assert objects_in(done.mirror, "mirror") == iris
    there = objects_in(done.s3, "ml-models")
    assert there["b.onnx"] == done.objects["a.onnx"]
    assert not {"a.onnx", "old/model"} & set(there)


@example("config = json.loads")
def into_memory(done: SimpleNamespace) -> None:
    assert done.config == {"layers": 2}
    weights = LLAMA["model.safetensors"]
    assert (done.header, done.footer) == (weights[8 : 8 + 4096], weights[-8:])
    assert done.tensors == [weights[8:108], weights[4096:4596]]
    assert done.results == [1000]
    assert done.array == done.objects["weights.bin"]
    assert done.digest.hexdigest() == hashlib.sha256(done.objects["weights.bin"]).hexdigest()


@example("with Storage.tensors")
def tensors_of_a_model(done: SimpleNamespace) -> None:
    assert done.shapes == {"embed": (10, 4), "head": (4,)}
    assert done.state["embed"].tobytes() == bytes(range(20))
    assert done.weight.tobytes() == bytes(16)
    assert done.total == 56


@example("with Storage.open")
def file_objects(done: SimpleNamespace) -> None:
    assert done.model is not None
    assert Storage.read("s3://ml-models/runs/1.json") == b'{"layers": 2}'


@example("with fsspec.open")
def with_fsspec(done: SimpleNamespace) -> None:
    assert done.model is not None


@example("StorageOperations.list_objects")
def names_and_facts(done: SimpleNamespace) -> None:
    assert done.results == [["model.joblib", "tokenizer/vocab.json"], len(done.objects["iris/model.joblib"])]


@example("stored = Storage.write")
def writing_and_moving(done: SimpleNamespace) -> None:
    assert (done.stored.key, done.stored.size) == ("new/config.json", 2)
    assert done.results == ["s3://ml-models/settings/"]
    there = objects_in(done.s3, "ml-models")
    assert there["settings/config.json"] == b"{}"
    assert "new/config.json" not in there


@example("level = Storage.list")
def typed_verbs(done: SimpleNamespace) -> None:
    assert {(obj.key, obj.is_prefix) for obj in done.level} == {("iris/model.joblib", False), ("iris/tokenizer/", True)}
    assert done.size == len(done.objects["iris/model.joblib"])
    assert done.found
    assert "ml-models" in done.buckets
    with urllib.request.urlopen(done.url) as reply:
        assert reply.read() == done.objects["iris/model.joblib"]


@example("paths = Storage.download_many")
def many_at_once(done: SimpleNamespace) -> None:
    first, second = done.paths
    assert set(files_in(first)) == {"model.joblib", "tokenizer/vocab.json"}
    assert second == f"{done.here}/mnt/models/llama"
    assert files_in(second) == LLAMA


@example("async with AsyncStorage(Limits")
def kept_connections(done: SimpleNamespace) -> None:
    assert done.blobs == [done.objects["iris/model.joblib"], done.objects["a.onnx"]]


@example("Storage.download(uri, dest, verify=")
def careful(done: SimpleNamespace) -> None:
    assert done.results == [done.dest] * 3
    assert Path(done.dest).read_bytes() == done.objects["iris/model.joblib"]


@example('config = S3Config("AKIA…"')
def signing_in(done: SimpleNamespace) -> None:
    assert isinstance(done.config, S3Config)
    iris, public = done.results
    assert set(files_in(iris)) == {"model.joblib", "tokenizer/vocab.json"}
    assert files_in(public)["model"] == b"public"


@example("sealift.configure(config=")
def settings_of_the_process(done: SimpleNamespace) -> None:
    assert done.results == [None, "s3://mirror/iris/"]
    assert done.names == ["model.joblib", "tokenizer/vocab.json"]
    iris = {key: data for key, data in done.objects.items() if key.startswith("iris/")}
    assert objects_in(done.mirror, "mirror") == iris


async def load(path: str) -> dict[str, bytes]:
    return await asyncio.to_thread(files_in, path)


# Names that examples use without defining them.
SUPPLIED: dict[str, Callable[[S3Service, S3Service], dict[str, Any]]] = {
    "from sealift import AsyncStorage": lambda *services: {"load": load},
    "sealift.configure(config=": lambda aws, minio: {
        "sealift": sealift, "aws": config_of(aws), "minio": config_of(minio),
    },
    COPIES: lambda aws, minio: {"aws": config_of(aws), "minio": config_of(minio)},
    "config = json.loads": lambda *services: {
        "array": bytearray(1000), "digest": hashlib.sha256(), "storage": AsyncStorage(),
    },
    "with Storage.tensors": lambda *services: {"weight": np.ones(4, np.float32), "total": 0},
    "with fsspec.open": lambda aws, minio: {"fsspec": fsspec, "options": {"endpoint_url": aws.endpoint}},
    "Storage.download(uri, dest, verify=": lambda *services: {
        "uri": "s3://ml-models/iris/model.joblib", "dest": os.path.abspath("careful/model.joblib"),
    },
    "async with AsyncStorage(Limits": lambda *services: {
        "uris": ["s3://ml-models/iris/model.joblib", "s3://ml-models/a.onnx"]
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    """Restore the settings of the process."""
    yield
    sealift.configure()


def test_each_example_is_run() -> None:
    assert len(BLOCKS) > 15
    assert sorted(begin(code) for _, code in BLOCKS) == sorted((*CHECKS, *INSTALL, SHELL, KSERVE))
    assert {kind for kind, code in BLOCKS if begin(code) in (*INSTALL, SHELL)} == {"sh"}
    assert {kind for kind, code in BLOCKS if begin(code) in (*CHECKS, KSERVE)} == {"python"}


@pytest.mark.parametrize("start", [start for start in CHECKS if start != ELSEWHERE])
def test_an_example(
    start: str, own: dict[str, str], here: Path, s3: S3Service, rclone_s3: S3Service, objects: dict[str, bytes]
) -> None:
    if start == COPIES:  # the destination has some of the files, and another one
        there = here / "mnt/models/llama"
        Storage.sync("s3://ml-models/llama/", str(there))
        (there / "gone").write_bytes(b"x")
        put_objects(s3, "ml-models", {f"llama/{name}": data for name, data in NEW.items()})
    supplied = SUPPLIED.get(start, lambda *services: {})(s3, rclone_s3)
    done = run(code_of(start, own), supplied)
    CHECKS[start](SimpleNamespace(**vars(done), here=here, s3=s3, mirror=rclone_s3, objects=objects))


def test_other_schemes(own: dict[str, str], elsewhere: dict[str, str], here: Path) -> None:
    done = run(code_of(ELSEWHERE, own | elsewhere), {})
    CHECKS[ELSEWHERE](SimpleNamespace(**vars(done), here=here))


def test_in_place_of_kserve(tmp_path: Path) -> None:
    program = code_of(KSERVE, {}) + "print(Storage is sealift.Storage)"
    environ = {**clean_environ(), "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


# Does the same as `jq .`.
JQ = "import json, sys\nassert sys.argv[1:] == ['.']\nprint(json.dumps(json.load(sys.stdin), indent=2))\n"


def test_from_a_terminal(here: Path, s3: S3Service) -> None:
    for name, program in {"sealift": "from sealift.cli import main\nmain()\n", "jq": JQ}.items():
        (here / "tmp" / name).write_text(f"#!{sys.executable}\n{program}")
        (here / "tmp" / name).chmod(0o700)
    environ = {
        **clean_environ(), **environ_for(s3), "PATH": f"{here}/tmp:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
    }  # fmt: skip
    script = code_of(SHELL, {}) + "complete -p sealift\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=here, env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert files_in(here / "llama") == {name: data for name, data in LLAMA.items() if not name.endswith(".bin")}
    there = objects_in(s3, "ml-models")
    assert "iris/iris.joblib" in there
    assert "old/model" not in there
    assert {key for key in there if key.startswith("llama/")} == {f"llama/{name}" for name in LLAMA}
    assert "would remove s3://ml-models/llama/shards/1.bin\n" in done.stdout
    assert '{\n  "layers": 2\n}\n' in done.stdout
    assert done.stdout.endswith("_sealift_completion sealift\n")
