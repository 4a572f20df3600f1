"""`--source-…`: copies between services with different credentials."""

from pathlib import Path

import pytest

from tests.services.s3 import PUBLIC_BUCKET, MakeBucket, S3Service, put_objects

from .conftest import OBJECTS, Invoke, objects_in
from .program import environ_for, run


def test_from_a_public_bucket_of_another_service(
    invoke: Invoke, seaweedfs: S3Service, moto: S3Service, make_bucket: MakeBucket
) -> None:
    put_objects(seaweedfs, PUBLIC_BUCKET, {"from-here": b"public"})
    bucket = make_bucket(moto)
    source = ("--source-endpoint-url", seaweedfs.endpoint, "--source-region", "us-east-1", "--source-no-sign-request")
    result = invoke("cp", *source, f"s3://{PUBLIC_BUCKET}/from-here", f"s3://{bucket}/", **environ_for(moto))
    assert (result.exit_code, result.stdout) == (0, f"s3://{bucket}/from-here\n")
    assert objects_in(moto, bucket) == {"from-here": b"public"}


@pytest.mark.parametrize("side", ["source", "both"])
def test_a_profile_has_the_credentials_of_one_service(
    seaweedfs: S3Service,
    moto: S3Service,
    make_bucket: MakeBucket,
    bucket: str,
    tmp_path: Path,
    side: str,
) -> None:
    """The source service would reject the credentials of the environment."""
    other = make_bucket(moto)
    files = {
        "AWS_CONFIG_FILE": f"[profile weed]\nendpoint_url = {seaweedfs.endpoint}\n"
        f"[profile moto]\nendpoint_url = {moto.endpoint}\n",
        "AWS_SHARED_CREDENTIALS_FILE": "".join(
            f"[{name}]\naws_access_key_id = {service.access_key}\naws_secret_access_key = {service.secret_key}\n"
            for name, service in (("weed", seaweedfs), ("moto", moto))
        ),
    }
    variables = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "wrong"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        variables[name] = str(tmp_path / name)
    if side == "both":
        options = ["--profile", "moto", "--source-profile", "weed"]
    else:
        variables["AWS_ENDPOINT_URL"] = moto.endpoint
        options = ["--source-profile", "weed", "--source-endpoint-url", seaweedfs.endpoint]
    # In a child process, because the SDK reads the files of the profile in the event loop.
    done = run("sync", *options, f"s3://{bucket}/", f"s3://{other}/", environ=variables)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert objects_in(moto, other) == OBJECTS
