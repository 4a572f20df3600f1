"""`--content-type`, `--metadata` and the like in `cp` and `sync`, `--version-id`, `--request-payer`, `--sse-c-key`."""

import secrets
from pathlib import Path

import pytest

from tests.api.servers import SECRET
from tests.api.writable import WritableS3
from tests.cli.conftest import Invoke
from tests.cli.program import environ_for
from tests.services.s3 import MakeBucket, S3Service, client

OPTIONS = (
    "--content-type", "a/b", "--cache-control", "no-store", "--metadata", "a=1,b=2", "--metadata", "c=x=y",
    "--tag", "cost=1", "--storage-class", "STANDARD_IA", "--sse", "aws:kms", "--sse-kms-key-id", "a-key",
)  # fmt: skip


@pytest.mark.parametrize("command", ["cp", "sync"])
def test_they_are_stored(
    invoke: Invoke, moto: S3Service, make_bucket: MakeBucket, tmp_path: Path, command: str
) -> None:
    bucket = make_bucket(moto)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "k").write_bytes(b"bytes")
    recursive = ["-r"] if command == "cp" else []
    result = invoke(command, *recursive, *OPTIONS, str(tmp_path / "m"), f"s3://{bucket}/m", **environ_for(moto))
    assert result.exit_code == 0, result.stderr
    head = client(moto).head_object(Bucket=bucket, Key="m/k")
    assert (head["ContentType"], head["CacheControl"]) == ("a/b", "no-store")
    assert head["Metadata"] == {"a": "1", "b": "2", "c": "x=y"}
    assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", "aws:kms")
    assert head["SSEKMSKeyId"] == "a-key"
    tags = client(moto).get_object_tagging(Bucket=bucket, Key="m/k")["TagSet"]
    assert tags == [{"Key": "cost", "Value": "1"}]


def test_what_the_destination_does_not_have_is_an_error(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"bytes")
    result = invoke("cp", "--acl", "private", str(tmp_path / "k"), str(tmp_path / "copy"))
    assert result.exit_code != 0
    assert "a local path does not support --acl" in result.stderr
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("text", ["a", "=b", "a=1,b"])
def test_metadata_is_pairs(invoke: Invoke, text: str) -> None:
    result = invoke("cp", "--metadata", text, "k", "s3://b/k")
    assert result.exit_code == 2
    assert "is not KEY=VALUE" in result.stderr


def test_an_earlier_version(invoke: Invoke, moto: S3Service, make_bucket: MakeBucket, tmp_path: Path) -> None:
    bucket, s3 = make_bucket(moto), client(moto)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version_id = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    uri, environ = f"s3://{bucket}/k", environ_for(moto)
    assert invoke("cat", "--version-id", version_id, uri, **environ).stdout == "old"
    assert "3 bytes" in invoke("stat", "--version-id", version_id, uri, **environ).stdout
    invoke("cp", "--version-id", version_id, uri, str(tmp_path / "k"), **environ)
    assert (tmp_path / "k").read_bytes() == b"old"
    assert invoke("cat", "--version-id", version_id, uri, uri, **environ).exit_code == 2


def test_who_pays(invoke: Invoke) -> None:
    with WritableS3() as server:
        server.replace("b", "k", b"bytes")
        environ = {"AWS_ENDPOINT_URL": server.endpoint, "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": SECRET}
        assert invoke("cat", "--request-payer", "requester", "s3://b/k", **environ).stdout == "bytes"
        assert invoke("ls", "--request-payer", "requester", "s3://b/", **environ).exit_code == 0
        assert {asked.headers.get("x-amz-request-payer") for asked in server.asked} == {"requester"}


def test_a_customer_key_from_a_file(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(secrets.token_bytes(32))
    result = invoke("cat", "--sse-c-key", f"fileb://{tmp_path}/key", "s3://b/k", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert result.exit_code != 0
    assert "customer key would be sent unencrypted" in result.stderr
    (tmp_path / "short").write_bytes(b"short")
    result = invoke("cat", "--sse-c-key", str(tmp_path / "short"), "s3://b/k")
    assert "is not a key of 256 bits" in result.stderr
    result = invoke("cat", "--sse-c-key", str(tmp_path / "missing"), "s3://b/k")
    assert result.exit_code == 2
    assert "No such file" in result.stderr
