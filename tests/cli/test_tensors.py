import json
import random

from sealift.cli import exit_codes
from tests.services.s3 import S3Service, put_objects
from tests.tensors.models import INDEX, model_of, tensor

from .conftest import Invoke

_RANDOM = random.Random(4)
MODEL = model_of(
    {"embed": tensor("BF16", (40, 8), _RANDOM), "bias": tensor("F32", (), _RANDOM)},
    {"head": tensor("U8", (3,), _RANDOM)},
)


def test_listing(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    put_objects(seaweedfs, bucket, {f"m/{path}": data for path, data in MODEL.files.items()})
    for uri in (f"s3://{bucket}/m/", f"s3://{bucket}/m/{INDEX}"):
        result = invoke("tensors", "ls", uri)
        assert result.exit_code == exit_codes.OK
        assert sorted(line.split() for line in result.stdout.splitlines()) == [
            ["BF16", "640", "[40,", "8]", "embed"],
            ["F32", "4", "[]", "bias"],
            ["U8", "3", "[3]", "head"],
        ]
        assert result.stderr == "3 tensors, 647 B\n"
        found = [json.loads(line) for line in invoke("tensors", "ls", "--json", uri).stdout.splitlines()]
        assert {each["name"]: (each["dtype"], each["shape"], each["bytes"], each["file"]) for each in found} == {
            name: (dtype, list(shape), len(data), MODEL.where[name])
            for name, (dtype, shape, data) in MODEL.tensors.items()
        }
        offset = next(each["offset"] for each in found if each["name"] == "head")
        assert MODEL.files[MODEL.where["head"]][offset:] == MODEL.tensors["head"][2]


def test_errors(invoke: Invoke, bucket: str) -> None:
    result = invoke("tensors", "ls", f"s3://{bucket}/iris.joblib")
    assert (result.exit_code, result.stdout) == (exit_codes.FAILURE, "")
    assert f"read tensors s3://{bucket}/iris.joblib: 'iris.joblib': this is not a safetensors file" in result.stderr
    assert invoke("tensors", "ls", f"s3://{bucket}/missing/").exit_code == exit_codes.NOT_FOUND
    assert invoke("tensors").exit_code == exit_codes.USAGE
