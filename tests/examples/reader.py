"""Fixtures for the examples of README.md and docs/: local files, objects in the services, and a session of a user."""

import io
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest

import sealift
from tests.api.stores import objects_in
from tests.cli.program import environ_for
from tests.services import azurite as microsoft
from tests.services import gcs as google
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import files
from tests.services.hub import GRANTED, FakeHub
from tests.services.s3 import PUBLIC_BUCKET, S3Service, client, put_objects

from .page import Session

__all__ = ["LLAMA", "NEW", "elsewhere", "here", "objects", "s3", "session"]

LLAMA = {"config.json": b'{"layers": 2}', "model.safetensors": bytes(range(250)) * 50, "pytorch.bin": b"pickled"} | {
    f"shards/{number}.bin": b"x" * number for number in range(11)
}
NEW = {"model-2.safetensors": b"second", "generation.json": b"{}"}
# Prefixes in the bucket ml-models, which other tests use too.
OURS = (
    "iris/",
    "llama/",
    "llama-2/",
    "old/",
    "a.onnx",
    "b.onnx",
    "weights.bin",
    "backup/",
    "flowers/",
    "new/",
    "runs/",
)


@pytest.fixture
def objects(flowers: dict[str, bytes]) -> dict[str, bytes]:
    return {
        "iris/model.joblib": flowers["model.joblib"],
        "iris/tokenizer/vocab.json": b"[]",
        "old/model": b"old",
        "a.onnx": b"graph",
        "weights.bin": bytes(range(200)) * 5,
        **{f"llama/{name}": data for name, data in LLAMA.items()},
    }


@pytest.fixture
def s3(store: S3Service, rclone_s3: S3Service, objects: dict[str, bytes]) -> S3Service:
    """The buckets of the examples."""
    for service, bucket in ((store, "archive"), (rclone_s3, "mirror")):
        with suppress(client(service).exceptions.ClientError):  # it exists already
            client(service).create_bucket(Bucket=bucket)
    for bucket, prefixes in (("ml-models", OURS), ("archive", ("",))):
        for prefix in prefixes:
            for key in objects_in(store, bucket, prefix):
                client(store).delete_object(Bucket=bucket, Key=key)
    put_objects(store, "ml-models", objects, checksum="CRC64NVME")
    put_objects(store, PUBLIC_BUCKET, {"iris/model": b"public"})
    return store


@pytest.fixture
def here(s3: S3Service, flowers: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with local files, and S3 credentials in the environment."""
    local = {
        "iris.joblib": flowers["model.joblib"],
        "data/iris/model": b"local",
        **{f"data/llama/{name}": data for name, data in {**NEW, "left-out.bin": b"x"}.items()},
    }
    for name, data in local.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    for name, value in environ_for(s3).items():
        monkeypatch.setenv(name, value)
    return tmp_path


# Does the same as `jq .`.
_JQ = "import json, sys\nassert sys.argv[1:] == ['.']\nprint(json.dumps(json.load(sys.stdin), indent=2))\n"


@pytest.fixture
def session(s3: S3Service, here: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session with credentials for `s3`, whose keys the pages give in clear."""
    programs = tmp_path_factory.mktemp("programs")
    for name, program in {"sealift": "from sealift.cli import main\nmain()\n", "jq": _JQ}.items():
        (programs / name).write_text(f"#!{sys.executable}\n{program}")
        (programs / name).chmod(0o700)
    replace = {
        "/mnt/": f"{here}/mnt/",
        "/data/": f"{here}/data/",
        "http://minio:9000": s3.endpoint,
        "minioadmin": s3.access_key,
        "minio-secret": s3.secret_key,
        "AKIAEXAMPLE": s3.access_key,
        "aws-secret": s3.secret_key,
        "s3://public-models/": f"s3://{PUBLIC_BUCKET}/",
    }
    paths = os.pathsep.join(map(os.path.abspath, sys.path))
    with mock.patch.dict(os.environ, {"PYTHONPATH": paths, "HOME": f"{here}/home"}):
        yield Session(here, replace, os.environ, programs)
    sealift.configure()


@pytest.fixture
def elsewhere(
    gcs: GCSService,
    azurite: AzureService,
    here: Path,
    session: Session,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FakeHub]:
    """Services for the other schemes, with their credentials in the environment."""
    if not google.client(gcs).lookup_bucket("ml-models"):
        google.client(gcs).create_bucket("ml-models")
    google.put_objects(gcs, "ml-models", {"iris/from-google": b"g"})
    if not microsoft.container_client(azurite, "models").exists():
        microsoft.client(azurite).create_container("models")
    microsoft.put_objects(azurite, "models", {"iris/from-microsoft": b"a"})
    (here / "mnt/claim/xgboost").mkdir(parents=True)
    (here / "mnt/claim/xgboost/model").write_bytes(b"trees")
    served = tmp_path_factory.mktemp("served")
    with tarfile.open(served / "model.tar.gz", "w:gz") as packed:
        entry = tarfile.TarInfo("from-the-web")
        entry.size = 1
        packed.addfile(entry, io.BytesIO(b"w"))
    account = {
        "AZURE_STORAGE_ACCOUNT": microsoft.ACCOUNT, "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.endpoint(),
        "SEALIFT_PVC_MOUNTS": f"model-pvc={here}/mnt/claim", **gcs.environ,
    }  # fmt: skip
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    signed = microsoft.signature(azurite, "models", "rl")
    with files(served) as web, FakeHub() as hub:
        hub.repo("intfloat/e5-small-v2", {"config.json": b"{}", "model.safetensors": b"large", "model.bin": b"other"})
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        account = f'"{microsoft.ACCOUNT}", sas_token="{signed}", endpoint_url="{azurite.endpoint()}"'
        session.replace |= {
            '"account", sas_token="…"': account,
            '"account", account_key': f'"{microsoft.ACCOUNT}", endpoint_url="{azurite.endpoint()}", account_key',
            "AZURE_STORAGE_ACCOUNT=account": f"AZURE_STORAGE_ACCOUNT={microsoft.ACCOUNT}",
            "azure-key": azurite.keys[microsoft.ACCOUNT],
            "hf_example": GRANTED,
            "https://example.com": web,
        }
        yield hub
