import io
from pathlib import Path

import joblib
import pytest

from sealift.demo.iris import train
from tests.cli.program import environ_for
from tests.services import azurite as microsoft
from tests.services import gcs as google
from tests.services.azurite import AzureService
from tests.services.gcs import GCSService
from tests.services.s3 import S3Service, client, put_objects


@pytest.fixture(scope="session")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A trained model and its test set, as joblib files."""
    path = tmp_path_factory.mktemp("iris") / "model.joblib"
    test_set = io.BytesIO()
    joblib.dump(train(path), test_set)
    return {"model.joblib": path.read_bytes(), "test_set.joblib": test_set.getvalue()}


@pytest.fixture(scope="session")
def store(seaweedfs: S3Service, flowers: dict[str, bytes]) -> S3Service:
    """The buckets of the examples, with models."""
    model = flowers["model.joblib"]
    objects = {
        "ml-models": {"sklearn/iris-classifier/model.joblib": model},
        "my-bucket": {
            "models/latest/model.joblib": model,
            "models/latest/model.pkl": model,
            "models/model.txt": b"text",
        },
        "aws-bucket": {"tensorflow-model/saved_model.pb": b"graph", "tensorflow-model/variables/data": b"weights"},
        "private-bucket": {"confidential-model/model.bin": b"secret weights"},
        "models": {"v1/sklearn-model.joblib": model, "v2/xgboost-model.bst": b"trees", "v2/deep/model.pt": b"tensors"},
    }
    for bucket, content in objects.items():
        client(seaweedfs).create_bucket(Bucket=bucket)
        put_objects(seaweedfs, bucket, content, checksum="CRC64NVME")
    return seaweedfs


@pytest.fixture(scope="session")
def clouds(gcs: GCSService, azurite: AzureService) -> dict[str, str]:
    """Buckets and a container on the other two clouds, and the environment variables to access them."""
    for bucket, objects in {
        "gcp-bucket": {"pytorch-model/m.pt": b"g"},
        "models": {"v3/pytorch-model.pt": b"p"},
    }.items():
        google.client(gcs).create_bucket(bucket)
        google.put_objects(gcs, bucket, objects)
    microsoft.client(azurite).create_container("azure-container")
    microsoft.put_objects(azurite, "azure-container", {"sklearn-model/m.joblib": b"a"})
    return gcs.environ | {
        "AZURE_STORAGE_ACCOUNT": microsoft.ACCOUNT,
        "AZURE_STORAGE_KEY": azurite.keys[microsoft.ACCOUNT],
        "AZURE_STORAGE_SERVICE_ENDPOINT": azurite.endpoint(),
    }


@pytest.fixture
def environ(store: S3Service, flowers: dict[str, bytes], tmp_path: Path) -> dict[str, str]:
    """Environment variables for S3 and a volume."""
    (tmp_path / "test_set.joblib").write_bytes(flowers["test_set.joblib"])
    return environ_for(store) | {
        "SEALIFT_PVC_MOUNTS": f"model-pvc={tmp_path}/claim",
    }
