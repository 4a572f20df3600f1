"""Run the usage examples of the API document."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.helpers import files_in
from tests.services.s3 import S3Service

from .program import run_example, titles

# Checks a loaded model with the test set.
PREDICTS = """
import joblib
from sealift.demo.iris import accuracy

measurements, classes = joblib.load("test_set.joblib")
result = {"ready": model.ready, "accuracy": accuracy(model.model.predict(measurements), classes)}
"""

Run = Callable[..., tuple[Any, str]]


@pytest.fixture
def run(tmp_path: Path, environ: dict[str, str]) -> Run:
    def run(title: str, then: str, supplied: str = "", **variables: str) -> tuple[Any, str]:
        return run_example(title, tmp_path, environ | variables, then, supplied)

    return run


def check_predictions(result: dict[str, Any]) -> None:
    assert result["ready"]
    assert result["accuracy"] > 0.9


def test_all_examples_are_here() -> None:
    assert titles() == [
        "Basic Model Download",
        "Multi-Backend Storage",
        "Conditional Model Loading",
        "Model Versioning and Caching",
        "Storage with Authentication",
        "Batch Model Management",
        "Storage Error Handling",
    ]


def test_basic_model_download(run: Run, tmp_path: Path, flowers: dict[str, bytes]) -> None:
    result, printed = run("Basic Model Download", "result = download_model()")
    assert result == f"{tmp_path}/models/model.joblib"
    assert files_in(tmp_path / "models") == {"model.joblib": flowers["model.joblib"]}
    assert printed == f"Model downloaded to: {result}\nModel file exists locally\n"


def test_the_basic_model_predicts(run: Run) -> None:
    result, _ = run("Basic Model Download", "model = MyModel('iris')\nmodel.load()\n" + PREDICTS)
    check_predictions(result)


def test_multi_backend_storage(run: Run, clouds: dict[str, str], tmp_path: Path) -> None:
    for directory in ("claim/xgboost-model", "local/models/lightgbm-model"):
        (tmp_path / directory).mkdir(parents=True)
        (tmp_path / directory / "model").write_bytes(b"trees")
    result, printed = run("Multi-Backend Storage", "result = download_from_multiple_sources()", **clouds)
    from_s3, from_gcs, from_azure, from_pvc, from_file = result
    assert files_in(from_s3) == {"saved_model.pb": b"graph", "variables/data": b"weights"}
    assert (files_in(from_gcs), files_in(from_azure)) == ({"m.pt": b"g"}, {"m.joblib": b"a"})
    assert from_pvc == f"{tmp_path}/claim/xgboost-model"
    assert from_file == f"{tmp_path}/local/models/lightgbm-model"
    assert "Failed" not in printed


def test_multi_backend_storage_where_most_is_missing(run: Run, tmp_path: Path) -> None:
    unreachable = {"STORAGE_EMULATOR_HOST": "none://", "AZURE_STORAGE_CONNECTION_STRING": "none"}
    result, printed = run("Multi-Backend Storage", "result = download_from_multiple_sources()", **unreachable)
    (from_s3,) = result
    assert files_in(from_s3) == {"saved_model.pb": b"graph", "variables/data": b"weights"}
    assert [line.split(": download ")[0] for line in printed.splitlines()[1:]] == [
        "Failed to download gs://gcp-bucket/pytorch-model/",
        "Failed to download azure://azure-container/sklearn-model/",
        "Failed to download pvc://model-pvc/xgboost-model/",
        f"Failed to download file://{tmp_path}/local/models/lightgbm-model/",
    ]


IMPORT_MODEL = "from kserve import Model"


@pytest.mark.parametrize("primary", ["s3://my-bucket/models/latest/model.joblib", "s3://my-bucket/gone/model.joblib"])
def test_conditional_model_loading(run: Run, primary: str) -> None:
    fallback = "s3://ml-models/sklearn/iris-classifier/model.joblib"
    then = f"model = ConditionalModel('iris', {primary!r}, {fallback!r})\nmodel.load()\n" + PREDICTS
    result, printed = run("Conditional Model Loading", then, IMPORT_MODEL)
    check_predictions(result)
    assert ("Primary source failed" in printed) == ("gone" in primary)
    assert (f"Loaded from fallback source: {fallback}" in printed) == ("gone" in primary)


def test_conditional_model_loading_without_any_model(run: Run) -> None:
    then = """
    try:
        ConditionalModel("iris", "s3://my-bucket/gone.joblib", "pvc://nowhere/gone.joblib").load()
    except RuntimeError as error:
        result = str(error)
    """
    result, _ = run("Conditional Model Loading", then, IMPORT_MODEL)
    assert result.startswith("Both sources failed: download s3://my-bucket/gone.joblib: ")
    assert "download pvc://nowhere/gone.joblib: the claim 'nowhere' is not mounted" in result


def test_an_unknown_model_format(run: Run) -> None:
    then = """
    try:
        ConditionalModel("iris", "s3://my-bucket/models/model.txt", "").load()
    except ValueError as error:
        result = str(error)
    """
    result, _ = run("Conditional Model Loading", then, IMPORT_MODEL)
    assert result.startswith("Unsupported model format: ")
    assert result.endswith("/model.txt")


def test_model_versioning_and_caching(run: Run, tmp_path: Path, flowers: dict[str, bytes]) -> None:
    uri = "s3://my-bucket/models/latest/model.joblib"
    supplied = f"{IMPORT_MODEL}\nfrom datetime import datetime\nimport joblib"
    then = f"for _ in range(2):\n    model = CachedModel('iris', {uri!r})\n    model.load()\n" + PREDICTS
    result, printed = run("Model Versioning and Caching", then, supplied)
    check_predictions(result)
    first, second = printed.splitlines()
    assert first == f"Downloading and caching model: {uri}"
    cached = second.removeprefix("Loading cached model: ")
    assert Path(cached).read_bytes() == flowers["model.joblib"]
    results = json.loads(Path(f"{cached}.meta").read_text())
    assert (results["uri"], results["local_path"]) == (uri, cached)
    assert set(files_in(tmp_path / "model_cache")) == {Path(cached).name, f"{Path(cached).name}.meta"}


@pytest.mark.parametrize("where", ["variables", "file"])
def test_storage_with_authentication(
    run: Run, tmp_path: Path, cache_directory: Path, store: S3Service, where: str
) -> None:
    """With unset variables, `S3Config(None, None)` finds the keys like the SDK."""
    variables = {}
    if where == "file":
        keys = f"[default]\naws_access_key_id = {store.access_key}\naws_secret_access_key = {store.secret_key}\n"
        (tmp_path / "credentials").write_text(keys)
        empty = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        variables = {"AWS_SHARED_CREDENTIALS_FILE": f"{tmp_path}/credentials", **empty}
    supplied = (
        "import os\nfor name in [name for name, value in os.environ.items() if not value]:\n    del os.environ[name]"
    )
    then = """
    from kserve.errors import StorageError

    try:
        setup_authenticated_storage()
    except StorageError as error:
        result = str(error)
    """
    result, _ = run("Storage with Authentication", then, supplied, **variables)
    # The path of the service account file in the document does not exist.
    assert result.startswith("download gs://private-bucket/secure-model/: ")
    (downloaded,) = (cache_directory / "v1/snapshots").iterdir()
    assert files_in(downloaded) == {"model.bin": b"secret weights"}


BATCH = "from typing import Dict, List\nimport os"


def test_batch_model_management(run: Run, clouds: dict[str, str], flowers: dict[str, bytes]) -> None:
    result, printed = run("Batch Model Management", "result = results", BATCH, **clouds)
    first, second, third = result.items()
    assert first[0] == "s3://models/v1/sklearn-model.joblib"
    assert Path(first[1]).read_bytes() == flowers["model.joblib"]
    assert (second[0], Path(second[1]).read_bytes()) == ("s3://models/v2/xgboost-model.bst", b"trees")
    assert (third[0], Path(third[1]).read_bytes()) == ("gs://models/v3/pytorch-model.pt", b"p")
    assert printed.splitlines() == [f"{uri} -> {path}" for uri, path in result.items()]


def test_syncing_model_versions(run: Run, tmp_path: Path, flowers: dict[str, bytes]) -> None:
    then = f"manager.sync_model_versions('s3://models/', '{tmp_path}/versions')\nresult = None"
    unreachable = {"STORAGE_EMULATOR_HOST": "none://"}
    _, printed = run("Batch Model Management", then, BATCH, **unreachable)
    assert files_in(tmp_path / "versions") == {
        "v1/sklearn-model.joblib": flowers["model.joblib"],
        "v2/deep/model.pt": b"tensors",
    }
    assert "gs://models/v3/pytorch-model.pt -> Error: download gs://models/v3/pytorch-model.pt: " in printed
    assert {"Synced: v1/sklearn-model.joblib", "Synced: v2/deep/model.pt"} <= {*printed.splitlines()}


ROBUST = f"{IMPORT_MODEL}\nfrom kserve.storage import StorageOperations\nimport joblib"


def test_storage_error_handling(run: Run) -> None:
    then = "model = RobustModel('iris', 's3://my-bucket/models/latest/model.joblib')\nmodel.load()\n" + PREDICTS
    result, _ = run("Storage Error Handling", then, ROBUST)
    check_predictions(result)


def test_storage_errors_are_caught_and_retried(run: Run) -> None:
    then = """
    results = []

    class Told(logging.Handler):
        def emit(self, record):
            results.append(f"{record.levelname} {record.getMessage()}")

    logging.getLogger(__name__).addHandler(Told())
    handler = RobustStorageHandler(max_retries=2, retry_delay=0.01)
    try:
        handler.download_with_retry("s3://my-bucket/gone.joblib")
    except StorageError as error:
        results.append(type(error).__name__)
    try:
        RobustModel("iris", "s3://my-bucket/gone.joblib").load()
    except RuntimeError as error:
        results.append(str(error))
    result = results
    """
    result, _ = run("Storage Error Handling", then, ROBUST)
    assert [line.split(" for ")[0] for line in result] == [
        "WARNING Attempt 1 failed",
        "WARNING Attempt 2 failed",
        "ERROR All 2 attempts failed",
        "ModelMissingError",
        "Cannot access storage: s3://my-bucket/gone.joblib",
    ]
