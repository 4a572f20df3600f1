"""Credentials that cannot be sent or used to sign: calls fail before any request, and errors do not show them."""

import json
from pathlib import Path

import pytest

from sealift import AsyncStorage, InvalidConfig, Limits, S3Config
from tests.api.helpers import shows
from tests.api.servers import FakeS3

pytestmark = pytest.mark.anyio

BUCKETS = {
    "general": "models",
    "directory": "models--usw2-az1--x-s3",
    "multi-Region": "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
}
KEYS = {
    "a line break behind the secret": ("AKIA", "hidden-secret\n", None),
    "a line break in the token": ("AKIA", "hidden-secret", "hidden-token\nx-amz-acl: public-read"),
    "a line break behind the access key": ("AKIA\r\n", "hidden-secret", None),
    "a secret that is not UTF-8": ("AKIA", "hidden-secret\udc80", None),
    "a token that is not UTF-8": ("AKIA", "hidden-secret", "hidden-token\udc80"),
}


def variables(keys: tuple[str, str, str | None]) -> dict[str, str]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name: value for name, value in zip(names, keys, strict=True) if value is not None}


@pytest.mark.parametrize("bucket", BUCKETS.values(), ids=list(BUCKETS))
@pytest.mark.parametrize("keys", KEYS.values(), ids=list(KEYS))
@pytest.mark.parametrize("by", ["variables", "SDK"])
async def test_keys_of_the_environment(tmp_path: Path, bucket: str, keys: tuple[str, str, str | None], by: str) -> None:
    environ = variables(keys)
    if by == "SDK":
        answer = {"Version": 1, "AccessKeyId": keys[0], "SecretAccessKey": keys[1], "SessionToken": keys[2]}
        (tmp_path / "answer").write_text(json.dumps(answer))
        (tmp_path / "config").write_text(f"[default]\ncredential_process = /bin/cat {tmp_path}/answer\n")
        environ = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    with FakeS3({}) as proxy:
        environ |= {"HTTP_PROXY": proxy.endpoint, "AWS_REGION": "us-west-2"}
        with pytest.raises(InvalidConfig, match="for S3 contains a control character or a byte") as caught:
            await AsyncStorage(Limits(attempts=1), environ=environ).read(
                f"s3://{bucket}/m", config=S3Config(use_ssl=False)
            )
        assert not shows(caught.value, "hidden-secret", "hidden-token")
        assert proxy.asked == []


@pytest.mark.parametrize("bucket", BUCKETS.values(), ids=list(BUCKETS))
@pytest.mark.parametrize(("keys", "which"), [(("", "secret"), "access key ID"), (("AKIA", ""), "secret access key")])
async def test_empty_keys(bucket: str, keys: tuple[str, str], which: str) -> None:
    with pytest.raises(InvalidConfig, match=f"the {which} for S3 is empty"):
        await AsyncStorage(environ={}).read(f"s3://{bucket}/m", config=S3Config(*keys))


async def test_an_empty_token_is_none() -> None:
    with FakeS3({"models": {"m": b"m"}}) as server:
        config = S3Config("AKIA", "secret", session_token="", endpoint_url=server.endpoint)
        assert await AsyncStorage(environ={}).read("s3://models/m", config=config) == b"m"
        assert not any("x-amz-security-token" in asked.headers for asked in server.asked)
