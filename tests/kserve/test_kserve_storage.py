"""`kserve_storage`, as `install()` provides it: the rows of the comparison, and what they cannot show."""

import base64
import hashlib
import json
import logging
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from sealift import InvalidConfig, StorageError, TransportError
from sealift.integrations.kserve.kserve_storage import Storage, configure_logging, logger
from sealift.wire.tls import CERTIFICATE_VARIABLES
from tests.api.helpers import shows
from tests.kserve.archives import TAR, ZIP
from tests.kserve.comparison import pairs_of
from tests.kserve.outcome import tree
from tests.kserve.row import Row
from tests.kserve.rows import ROWS
from tests.kserve.world import World
from tests.services.http_server import OddServer, good
from tests.services.registry import PASSWORD, USER, FakeRegistry

PACKAGE = Path(__file__).parents[2] / "deploy" / "kserve-storage"


@pytest.fixture
def environ(models: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in models.environ.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.usefixtures("environ")
def test_row(row: Row, models: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in row.environ.items():
        monkeypatch.setenv(name, models.fill(value))
    monkeypatch.setenv("SEALIFT_PATIENCE", "1")
    variables = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    out_dir = row.out_dir if isinstance(row.out_dir, str) else str(tmp_path / "a" / "out") if row.out_dir else None
    for path, data in row.before.items():
        (tmp_path / "a" / "out").mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / "out" / path).write_bytes(data)
    if row.more is not None:
        pairs = pairs_of(row, models, str(out_dir)) or []
        outs = [path for _, path in pairs]
        assert Storage.download_files([uri for uri, _ in pairs], outs, row.allow, row.ignore) == outs
        assert tree(str(out_dir)) == {path: data.decode("latin-1") for path, data in (row.files or {}).items()}
    elif row.files is None:
        with pytest.raises(RuntimeError) as caught:
            Storage.download(models.fill(row.uri), out_dir, row.allow, row.ignore)
        assert isinstance(caught.value, StorageError)
        assert models.fill(row.error) in str(caught.value)
        assert not out_dir or tree(out_dir) == {}
    else:
        returned = Storage.download(models.fill(row.uri), out_dir, row.allow, row.ignore)
        if row.returns:
            assert returned == models.fill(row.returns)
        else:
            assert out_dir in {returned, None}
            assert tree(returned) == {path: data.decode("latin-1") for path, data in row.files.items()}
            assert {name for name in os.listdir(returned) if os.path.islink(f"{returned}/{name}")} == row.links
    assert dict(os.environ) == variables


@pytest.mark.usefixtures("environ")
def test_several_models_at_once(models: World, tmp_path: Path) -> None:
    uris = [models.fill("{s3}/one/"), models.fill("{gs}/iris"), models.fill("{local}/one/model.bin")]
    outs = [f"{tmp_path}/{name}" for name in ("a", "b/c", "d/")]
    assert Storage.download_files(uris, outs, ignore_patterns=["*.json"]) == outs
    assert tree(str(tmp_path)) == {"a/model.bin": "weights", "b/c/model.joblib": "model", "d/model.bin": "weights"}


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("uri", ["{s3}/one", "{gs}/one/model.bin", "{web}/m/model.zip", "{s3}/alone"])
def test_a_model_of_a_known_digest(uri: str, models: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"m/model.zip": ZIP, "alone": TAR}.get(uri.partition("/")[2], b"weights")
    monkeypatch.setenv("SEALIFT_ATTEMPTS", "1")
    monkeypatch.setenv("VERIFICATION_DIGEST", f"sha256:{'0' * 64}")
    with pytest.raises(StorageError, match="not those that were signed"):
        Storage.download(models.fill(uri), str(tmp_path / "m"))
    assert tree(str(tmp_path / "m")) == {}
    monkeypatch.setenv("VERIFICATION_DIGEST", f"sha256:{hashlib.sha256(content).hexdigest()}")
    assert tree(Storage.download(models.fill(uri), str(tmp_path / "m"))).keys() >= {"model.bin"}


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("uri", ["{s3}/iris/", "{local}/one/model.bin", "hf://owner/model", "/mnt/models/x"])
def test_what_has_no_single_digest(uri: str, models: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFICATION_DIGEST", f"sha256:{'0' * 64}")
    with pytest.raises(StorageError, match="digest is that of one|VERIFICATION_DIGEST is set"):
        Storage.download(models.fill(uri), str(tmp_path / "m"))
    assert tree(str(tmp_path / "m")) == {}
    with pytest.raises(InvalidConfig, match="the digest of one model, but there are 2"):
        Storage.download_files([models.fill(uri)] * 2, [str(tmp_path / "m"), str(tmp_path / "n")])
    monkeypatch.setenv("VERIFICATION_DIGEST", "md5:0")
    with pytest.raises(InvalidConfig, match="the environment variable VERIFICATION_DIGEST"):
        Storage.download(models.fill(uri), str(tmp_path / "m"))


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("uri", ["{s3}/iris", "{azure}/one/model.bin"])
def test_names_that_only_begin_alike_have_no_digest(
    uri: str, models: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file beside the model would not be compared, so it is not downloaded."""
    monkeypatch.setenv("SEALIFT_KSERVE_STRICT", "1")
    monkeypatch.setenv("SEALIFT_ATTEMPTS", "1")
    monkeypatch.setenv("VERIFICATION_DIGEST", f"sha256:{'0' * 64}")
    with pytest.raises(StorageError, match="digest is that of one|not those that were signed"):
        Storage.download(models.fill(uri), str(tmp_path / "m"))
    assert tree(str(tmp_path / "m")) == {}


@pytest.mark.usefixtures("environ")
def test_models_in_one_directory_are_downloaded_one_after_the_other(models: World, tmp_path: Path) -> None:
    uris = [models.fill("{s3}/one/model.bin"), models.fill("{web}/m/model.zip")]
    assert Storage.download_files(uris, [f"{tmp_path}/m", f"{tmp_path}/m/"]) == [f"{tmp_path}/m", f"{tmp_path}/m/"]
    assert tree(f"{tmp_path}/m") == {"model.bin": "of the zip"}


def test_a_directory_for_each(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="2 URIs, but 1 directories"):
        Storage.download_files(["s3://a/b", "s3://c/d"], [str(tmp_path)])


@pytest.mark.usefixtures("environ")
def test_no_secret_is_logged_or_raised(models: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = models.places["web"].replace("http://", "http://me:the-password@") + "/m/gone.bin?sig=the-signature"
    with caplog.at_level(logging.DEBUG, logger=logger.name), pytest.raises(StorageError) as caught:
        Storage.download(url, str(tmp_path))
    assert not shows(caught.value, "the-password", "the-signature")
    assert "the-password" not in caplog.text
    assert "the-signature" not in caplog.text
    assert "/m/gone.bin" in caplog.text


def test_a_temporary_directory_of_a_failed_call_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(StorageError):
        Storage.download("http://127.0.0.1:9/.")
    assert os.listdir(tmp_path) == []


def test_google_without_credentials_is_asked_anonymously(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The credentials are looked for on this machine; the second request goes to a proxy that does not exist.
    environ = {"NO_GCE_CHECK": "true", "HTTPS_PROXY": "http://127.0.0.1:1", "SEALIFT_PATIENCE": "0"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.INFO, logger=logger.name), pytest.raises(TransportError, match=r"127\.0\.0\.1:1"):
        Storage.download("gs://models/iris", str(tmp_path))
    assert "retrying anonymous access" in caplog.text


def test_the_ca_bundle_of_the_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "cabundle.crt")
    for name in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEALIFT_PATIENCE", "0")
    monkeypatch.setenv("CA_BUNDLE_VOLUME_MOUNT_POINT", str(tmp_path))
    with OddServer(lambda asked: good(asked, b"weights"), tls=tls) as server:
        with pytest.raises(TransportError, match="is not trusted"):
            Storage.download(f"{server.url}/model.bin", str(tmp_path / "out"))
        monkeypatch.setenv("CA_BUNDLE_CONFIGMAP_NAME", "bundle")
        Storage.download(f"{server.url}/model.bin", str(tmp_path / "out"))
    assert tree(str(tmp_path / "out")) == {"model.bin": "weights"}


def test_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.json"
    with FakeRegistry("token") as registry:
        registry.repository("team/model").put_model({"config.json": b"{}", "onnx/model.onnx": b"onnx"})
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config.write_text(json.dumps({"auths": {registry.host(): {"auth": token}}}))
        monkeypatch.setenv("KSERVE_OCI_DOCKER_CONFIG", str(config))
        monkeypatch.setenv("KSERVE_OCI_INSECURE_REGISTRY", "true")
        out = Storage.download(registry.uri("team/model:latest"), str(tmp_path / "out"))
    assert tree(out) == {"config.json": "{}", "onnx/model.onnx": "onnx"}


def test_the_log(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    (tmp_path / "logs.json").write_text(json.dumps({"version": 1, "disable_existing_loggers": False}))
    program = f"""
    from kserve_storage import Storage, configure_logging, logger
    from kserve_storage.logging import logger as same
    from kserve_storage.kserve_storage import Storage as also
    assert logger is same and Storage is also
    configure_logging({str(tmp_path / "logs.json")!r})
    configure_logging()
    Storage.download({str(tmp_path / "model")!r}, {str(tmp_path / "out")!r})
    """
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE), *filter(None, sys.path)])}
    command = [sys.executable, "-c", "\n".join(line.strip() for line in program.split("\n"))]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    lines = done.stderr.splitlines()
    pid = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ storage\.initializer INFO \[\w+\.py:\w+\(\):\d+\] "
    for line, text in zip(
        lines, ("Copying contents of", "Linking:", "Successfully copied", "Model downloaded in"), strict=True
    ):
        assert re.match(pid + text, line), line


def test_a_log_configuration_of_its_own() -> None:
    config = {"version": 1, "disable_existing_loggers": False, "loggers": {"storage": {"level": "ERROR"}}}
    level = logging.getLogger("storage").level
    try:
        configure_logging(config)
        assert not logger.isEnabledFor(logging.WARNING)
    finally:
        logging.getLogger("storage").setLevel(level)
