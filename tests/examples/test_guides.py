"""Run the code of the guides in docs/, and check what it did."""

import hashlib
import json
import logging
import os
from pathlib import Path

import pytest

from sealift import Storage
from sealift.integrations.opentelemetry import uninstrument
from tests.api.conftest import bare_environment, what_may_block
from tests.api.helpers import files_in
from tests.api.stores import objects_in
from tests.facade.conftest import the_facade_may_block
from tests.services.hub import FakeHub
from tests.services.s3 import S3Service, client, put_objects
from tests.trust.signer import PUBLIC_KEY, bundle, resource, statement

from .page import Session
from .reader import LLAMA, NEW, elsewhere, here, objects, s3, session

__all__ = [
    "bare_environment", "elsewhere", "here", "objects", "s3", "session", "the_facade_may_block", "what_may_block",
]  # fmt: skip


def profiles(directory: Path, monkeypatch: pytest.MonkeyPatch, **services: S3Service) -> None:
    """Write a profile for each service, and use no keys from the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    text = "".join(
        f"[{'default' if name == 'default' else f'profile {name}'}]\nendpoint_url = {service.endpoint}\n"
        f"aws_access_key_id = {service.access_key}\naws_secret_access_key = {service.secret_key}\n"
        for name, service in services.items()
    )
    (directory / "profiles").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(directory / "profiles"))


def test_home(session: Session, here: Path) -> None:
    session.run("index.md")
    assert files_in(here / "mnt/models/llama") == LLAMA


def test_quick_start(session: Session, here: Path, objects: dict[str, bytes], s3: S3Service) -> None:
    install = {'python -m pip install ".[demo]" && sealift demo': str, 'python -m pip install "sealift[uvloop]"': str}
    session.run("quickstart.md", not_run=install)
    assert objects_in(s3, "ml-models", "backup/") == {"backup/model.joblib": objects["iris/model.joblib"]}
    assert files_in(here / "models/llama") == LLAMA


def test_downloads(session: Session, elsewhere: FakeHub, here: Path) -> None:
    session.run("downloads.md")
    there = here / "mnt/models"
    assert files_in(there / "weights") == {"model.safetensors": LLAMA["model.safetensors"]}
    assert files_in(there / "small") == {"config.json": LLAMA["config.json"]}
    assert files_in(there / "iris") == {"from-google": b"g", "from-microsoft": b"a", "model": b"local"}
    assert set(files_in(there / "e5")) == {"config.json", "model.safetensors"}
    assert files_in(there / "unpacked") == {"from-the-web": b"w"}
    iris, llama = session.names["paths"]
    assert (set(files_in(iris)), llama) == ({"model.joblib", "tokenizer/vocab.json"}, str(there / "llama"))


def test_cache(session: Session, objects: dict[str, bytes], cache_directory: Path) -> None:
    session.run("cache.md")
    path = session.names["path"]
    assert set(session.names["names"]) == {name.partition("/")[0] for name in LLAMA}
    assert Path(path) == cache_directory / "v1/snapshots" / Path(path).name
    assert f"{path}\n" in session.output
    assert not Path(path).exists()


def test_signatures(session: Session, here: Path, s3: S3Service) -> None:
    signed = bundle(statement([resource(name, data) for name, data in LLAMA.items()]))
    put_objects(s3, "ml-models", {"llama/model.sig": json.dumps(signed).encode()})
    (here / "release.pub").write_bytes(PUBLIC_KEY)
    session.run("signatures.md")
    assert files_in(here / "mnt/models/llama") == files_in(here / "llama") == LLAMA
    assert (here / "a.onnx").read_bytes() == b"graph"


def test_uploads(session: Session, s3: S3Service) -> None:
    session.run("uploads.md")
    there = objects_in(s3, "ml-models")
    assert {name: there.get(f"llama/{name}") for name in (*NEW, "left-out.bin")} == {**NEW, "left-out.bin": b"x"}
    head = client(s3).head_object(Bucket="ml-models", Key="llama/model-2.safetensors")
    assert (head["Metadata"], head["CacheControl"]) == ({"team": "nlp"}, "max-age=3600")
    assert there["new/lines.txt"].endswith(b"998\n999\n")


def test_copying(
    session: Session, here: Path, s3: S3Service, rclone_s3: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(here, monkeypatch, default=s3, minio=s3, models=rclone_s3)
    session.run("copying.md", before={"$ rm ": (here / "mnt/models/llama/config.json").stat})
    assert set(objects_in(rclone_s3, "mirror", "iris/")) == {"iris/model.joblib", "iris/tokenizer/vocab.json"}
    assert objects_in(s3, "archive") == {f"llama-2/{name}": data for name, data in LLAMA.items()}
    there = objects_in(s3, "ml-models")
    assert "b.onnx" in there
    assert not {"a.onnx", "old/model"} & set(there)


def test_minio_to_s3(
    session: Session, here: Path, s3: S3Service, rclone_s3: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    client(rclone_s3).create_bucket(Bucket="new-models")
    session.replace |= {
        "region = eu-central-1": f"endpoint_url = {rclone_s3.endpoint}",
        "AKIAEXAMPLE": rclone_s3.access_key,
        "aws-secret": rclone_s3.secret_key,
    }
    session.run("minio-to-s3.md")
    assert objects_in(rclone_s3, "new-models") == objects_in(s3, "ml-models")


def test_tensors(session: Session, here: Path) -> None:
    session.run("tensors.md")
    assert (session.names["weight"] == session.names["trained"].coef_).all()


def test_reading(session: Session, objects: dict[str, bytes]) -> None:
    session.run("reading.md")
    weights, names = LLAMA["model.safetensors"], session.names
    assert (names["header"], names["footer"]) == (weights[8 : 8 + 4096], weights[-8:])
    assert names["tensors"] == [weights[8:108], weights[4096:4596]]
    assert names["array"] == objects["weights.bin"]
    assert names["digest"].hexdigest() == hashlib.sha256(objects["weights.bin"]).hexdigest()
    assert Storage.read("s3://ml-models/runs/1.json") == b'{"layers": 2}'
    assert "ml-models" in names["buckets"]
    assert '{\n  "layers": 2\n}\n' in session.output


def test_credentials(
    session: Session, elsewhere: FakeHub, here: Path, s3: S3Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles(here, monkeypatch, default=s3, models=s3)
    session.run("credentials.md")
    there = here / "mnt/models"
    assert set(files_in(there / "iris")) == {"model.joblib", "tokenizer/vocab.json"}
    assert files_in(there / "public") == {"model": b"public"}
    assert files_in(there / "iris-gs") == {"from-google": b"g"}
    assert files_in(there / "iris-azure") == {"from-microsoft": b"a"}
    assert (there / "model.tar.gz").exists()
    tokens = {asked.headers.get("authorization") for asked in elsewhere.requests("hub")}
    assert tokens == {f"Bearer {session.replace['hf_example']}"}


def test_configuration(session: Session, s3: S3Service, rclone_s3: S3Service) -> None:
    session.replace |= {
        "http://minio:9000": rclone_s3.endpoint,
        "minioadmin": rclone_s3.access_key,
        "minio-secret": rclone_s3.secret_key,
    }
    session.run("configuration.md")
    assert set(objects_in(rclone_s3, "mirror", "iris/")) == {"iris/model.joblib", "iris/tokenizer/vocab.json"}


def test_limits(session: Session, here: Path) -> None:
    session.run("limits.md")
    assert files_in(here / "mnt/models/llama") == files_in(here / "llama") == LLAMA


def test_restarts(session: Session, here: Path) -> None:
    session.run("restarts.md")
    resumed = sum(event.size for event in session.names["events"] if event.kind == "resumed")
    assert resumed == sum(map(len, LLAMA.values()))


def test_resuming(session: Session, here: Path, s3: S3Service) -> None:
    session.run("resuming.md")
    assert files_in(here / "mnt/models/llama") == LLAMA
    assert set(NEW) <= {key.removeprefix("llama/") for key in objects_in(s3, "ml-models", "llama/")}


def test_progress(session: Session, here: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    try:
        session.run("progress.md")
    finally:
        uninstrument()
    assert session.names["done"] == session.names["total"] == 1000
    (line,) = [record.getMessage() for record in caplog.records if record.name == "sealift.calls"][-1:]
    assert line.startswith("download s3://ml-models/llama/: done in ")


def test_errors(session: Session, here: Path) -> None:
    session.run("errors.md")
    assert files_in(here / "mnt/models/llama") == LLAMA


def test_distance(session: Session, here: Path, s3: S3Service) -> None:
    session.run("distance.md")
    assert files_in(here / "llama") == LLAMA
    assert objects_in(s3, "archive") == {f"llama/{name}": data for name, data in LLAMA.items()}
