"""Multi-Region Access Points: requests signed for all regions, to the global endpoint."""

import re
from pathlib import Path

import pytest

from sealift import AccessDenied, AsyncStorage, Limits, S3Config, UnsupportedOperation
from sealift.types import MiB
from tests.api.helpers import files_in, shows
from tests.api.servers import Asked, Reply, failure, pattern
from tests.api.writable import WritableS3
from tests.services.signatures import is_signed, scope

pytestmark = pytest.mark.anyio

ALIAS = "mfzwi23gnjvgw"
ARN = f"arn:aws:s3::123456789012:accesspoint/{ALIAS}.mrap"
HOST = f"{ALIAS}.mrap.accesspoint.s3-global.amazonaws.com"
SECRET, TOKEN = "the-secret-of-the-user", "the-token-of-the-user"
CONFIG = S3Config("AKIAUSER", SECRET, session_token=TOKEN, use_ssl=False)
LARGE = pattern(11 * MiB)


def refuse_unsigned(asked: Asked) -> Reply | None:
    """Deny every request without a signature for all regions, as the service does."""
    headers = asked.headers
    target = re.sub("^http://[^/]+", "", asked.target)  # the test server acts as a proxy
    valid = (
        headers.get("authorization", "").startswith("AWS4-ECDSA-P256-SHA256 ")
        and is_signed(asked.method, target, headers, SECRET)
        and scope(headers)[1][1:] == ["s3"]
        and headers.get("x-amz-region-set") == "*"
        and headers.get("x-amz-security-token") == TOKEN
    )
    return None if valid else failure(403, "SignatureDoesNotMatch")


async def test_whatever_is_done(tmp_path: Path) -> None:
    """Requests go to a proxy, so that none leaves this machine."""
    (tmp_path / "large").write_bytes(LARGE[::-1])
    with WritableS3(ALIAS, instead=refuse_unsigned) as server:
        server.objects[ALIAS] = {"a/x y": b"x", "a/z": b"z", "large": LARGE}
        async with AsyncStorage(Limits(part_size=5 * MiB), environ={"HTTP_PROXY": server.endpoint}) as storage:
            await storage.download(f"s3://{ARN}/a/", tmp_path / "down", config=CONFIG)
            await storage.upload(tmp_path / "large", f"s3://{ARN}/new", config=CONFIG)
            await storage.download(f"s3://{ARN}/large", tmp_path / "down/large", config=CONFIG)
            await storage.copy(f"s3://{ARN}/a/z", f"s3://{ARN}/copied", config=CONFIG, dest_config=CONFIG)
            await storage.delete(f"s3://{ARN}/a/", config=CONFIG, recursive=True)
        assert server.objects[ALIAS] == {"large": LARGE, "new": LARGE[::-1], "copied": b"z"}
        assert {asked.host for asked in server.asked} == {HOST}
        # The service can copy to such an access point, but not from one.
        assert not any("x-amz-copy-source" in asked.headers for asked in server.asked)
    assert files_in(tmp_path / "down") == {"x y": b"x", "z": b"z", "large": LARGE}


@pytest.mark.parametrize("status", [400, 403])
async def test_a_region_that_a_refusal_names_changes_nothing(tmp_path: Path, status: int) -> None:
    def refused(asked: Asked) -> Reply:
        reply = failure(status, "AccessDenied")
        reply.headers["x-amz-bucket-region"] = "eu-west-1"
        return reply

    with WritableS3(ALIAS, instead=refused) as server:
        with pytest.raises(AccessDenied if status == 403 else Exception) as caught:
            await AsyncStorage(environ={"HTTP_PROXY": server.endpoint}).download(
                f"s3://{ARN}/a/", tmp_path, config=CONFIG
            )
        assert len(server.asked) == 1
    assert not shows(caught.value, SECRET, TOKEN)


async def test_unsigned_requests_are_not_sent(tmp_path: Path) -> None:
    with WritableS3(ALIAS) as server:
        storage = AsyncStorage(environ={"HTTP_PROXY": server.endpoint})
        with pytest.raises(UnsupportedOperation, match="accepts no unsigned requests"):
            await storage.download(f"s3://{ARN}/a/", tmp_path, config=S3Config(anonymous=True, use_ssl=False))
        assert not server.asked
