"""Headers, user metadata and tags: `stat` shows them, and `cp` warns about those that it cannot copy."""

import json

from tests.cli.conftest import Invoke
from tests.cli.program import environ_for
from tests.services.gcs import GCSService
from tests.services.gcs import new_bucket as new_gcs_bucket
from tests.services.s3 import MakeBucket, S3Service, client


def described(service: S3Service, bucket: str) -> None:
    client(service).put_object(
        Bucket=bucket,
        Key="m/k",
        Body=b"bytes",
        ContentEncoding="gzip",
        Expires="Wed, 21 Oct 2026 07:28:00 GMT",
        Metadata={"owner": "me"},
        Tagging="team=a&stage=dev",
    )


def test_stat_shows_properties(invoke: Invoke, moto: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(moto)
    described(moto, bucket)
    lines = invoke("stat", f"s3://{bucket}/m/k", **environ_for(moto)).stdout.splitlines()
    assert {"content encoding    gzip", "metadata            owner=me", "tags                team=a, stage=dev"} <= {
        *lines
    }
    metadata = json.loads(invoke("stat", "--json", f"s3://{bucket}/m/k", **environ_for(moto)).stdout)
    assert (metadata["content_encoding"], metadata["cache_control"], metadata["tags"]) == (
        "gzip",
        None,
        {"team": "a", "stage": "dev"},
    )


def test_cp_names_what_the_destination_cannot_store(
    invoke: Invoke, moto: S3Service, gcs: GCSService, make_bucket: MakeBucket
) -> None:
    bucket, target = make_bucket(moto), new_gcs_bucket(gcs, "cp-names")
    described(moto, bucket)
    environ = environ_for(moto) | dict(gcs.environ)
    result = invoke("cp", "-r", "-v", f"s3://{bucket}/m", f"gs://{target}/m", **environ)
    assert result.exit_code == 0
    assert "m/k: 5 B, verified: md5, not copied: Expires, tags\n" in result.stderr
    assert result.stderr.endswith("warning: properties not copied: Expires (1 object), tags (1 object)\n")
    result = invoke("cp", "--json", f"s3://{bucket}/m/k", f"gs://{target}/k", **environ)
    assert json.loads(result.stdout.splitlines()[0])["dropped"] == ["Expires", "tags"]


def test_no_warning_if_all_properties_are_copied(invoke: Invoke, moto: S3Service, make_bucket: MakeBucket) -> None:
    bucket = make_bucket(moto)
    described(moto, bucket)
    result = invoke("cp", "--json", f"s3://{bucket}/m/k", f"s3://{bucket}/copy", **environ_for(moto))
    assert "warning" not in result.stderr
    assert "dropped" not in json.loads(result.stdout.splitlines()[0])
