"""Fixtures for the examples of README.md: local files, and objects in the services."""

import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.api.stores import objects_in
from tests.cli.program import environ_for
from tests.services import azurite as microsoft
from tests.services import gcs as google
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.http_server import files
from tests.services.hub import FakeHub
from tests.services.s3 import PUBLIC_BUCKET, S3Service, client, put_objects
from tests.tensors.models import model_of

__all__ = ["LLAMA", "NEW", "elsewhere", "here", "objects", "own", "s3"]

LLAMA = {"config.json": b'{"layers": 2}', "model.safetensors": bytes(range(250)) * 50, "pytorch.bin": b"pickled"} | {
    f"shards/{number}.bin": b"x" * number for number in range(11)
}
BERT = model_of({"embed": ("U8", (10, 4), bytes(range(40)))}, {"head": ("F32", (4,), bytes(16))})
NEW = {"model-2.safetensors": b"second", "generation.json": b"{}"}
# Prefixes in the bucket ml-models, which other tests use too.
OURS = ("bert/", "iris/", "llama/", "old/", "a.onnx", "b.onnx", "weights.bin")


@pytest.fixture
def objects(flowers: dict[str, bytes]) -> dict[str, bytes]:
    return {
        "iris/model.joblib": flowers["model.joblib"],
        "iris/tokenizer/vocab.json": b"[]",
        "old/model": b"old",
        "a.onnx": b"graph",
        "weights.bin": bytes(range(200)) * 5,
        **{f"bert/{name}": data for name, data in BERT.files.items()},
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


@pytest.fixture
def own(s3: S3Service, here: Path) -> dict[str, str]:
    """Replacements for directories, keys and endpoints in README.md."""
    return {
        "/mnt/models": f"{here}/mnt/models",
        '"/data/': f'"{here}/data/',
        '"AKIA…", "secret", endpoint_url="http://minio:9000"': (
            f'"{s3.access_key}", "{s3.secret_key}", endpoint_url="{s3.endpoint}"'
        ),
        "s3://public-models/": f"s3://{PUBLIC_BUCKET}/",
    }


@pytest.fixture
def elsewhere(
    gcs: GCSService,
    azurite: AzureService,
    here: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, str]]:
    """Services for the other schemes, and the replacements for their examples."""
    if not google.client(gcs).lookup_bucket("ml-models"):
        google.client(gcs).create_bucket("ml-models")
    google.put_objects(gcs, "ml-models", {"iris/from-google": b"g"})
    if not microsoft.container_client(azurite, "models").exists():
        microsoft.client(azurite).create_container("models")
    microsoft.put_objects(azurite, "models", {"iris/from-microsoft": b"a"})
    (here / "claim/xgboost").mkdir(parents=True)
    (here / "claim/xgboost/model").write_bytes(b"trees")
    served = tmp_path_factory.mktemp("served")
    with tarfile.open(served / "model.tar.gz", "w:gz") as packed:
        entry = tarfile.TarInfo("from-the-web")
        entry.size = 1
        packed.addfile(entry, io.BytesIO(b"w"))
    account = {
        "AZURE_STORAGE_ACCOUNT": microsoft.ACCOUNT, "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.endpoint(),
        "SEALIFT_PVC_MOUNTS": f"model-pvc={here}/claim", **gcs.environ,
    }  # fmt: skip
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    signed = microsoft.signature(azurite, "models", "rl")
    with files(served) as web, FakeHub() as hub:
        hub.repo("intfloat/e5-small-v2", {"config.json": b"{}", "model.safetensors": b"large", "model.bin": b"other"})
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        account = f'"{microsoft.ACCOUNT}", sas_token="{signed}", endpoint_url="{azurite.endpoint()}"'
        yield {'"account", sas_token="…"': account, "https://example.com": web}
