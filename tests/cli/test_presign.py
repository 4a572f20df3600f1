import urllib.request

from sealift.cli import exit_codes
from tests.services.s3 import S3Service, get_object

from .conftest import OBJECTS, Invoke


def test_reading(invoke: Invoke, bucket: str) -> None:
    result = invoke("presign", f"s3://{bucket}/iris.joblib")
    assert (result.exit_code, result.stderr) == (0, "")
    with urllib.request.urlopen(result.stdout.strip()) as reply:
        assert reply.read() == OBJECTS["iris.joblib"]


def test_writing(invoke: Invoke, seaweedfs: S3Service, bucket: str) -> None:
    url = invoke("presign", "--method", "PUT", "--expires-in", "60", f"s3://{bucket}/new").stdout.strip()
    assert "X-Amz-Expires=60" in url
    with urllib.request.urlopen(urllib.request.Request(url, b"new", {"Content-Type": ""}, method="PUT")) as reply:
        assert reply.status == 200
    assert get_object(seaweedfs, bucket, "new") == b"new"


def test_what_is_refused(invoke: Invoke, bucket: str) -> None:
    assert invoke("presign", f"s3://{bucket}/").exit_code == exit_codes.USAGE
    assert invoke("presign", "--expires-in", "0", f"s3://{bucket}/k").exit_code == exit_codes.USAGE
    result = invoke("presign", "hf://owner/name/k")
    assert (result.exit_code, result.stdout) == (exit_codes.FAILURE, "")
    assert "hf:// has no presigned URLs" in result.stderr
