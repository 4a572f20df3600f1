"""Addressing: path and virtual-hosted style, Amazon's own hosts, buckets in another region."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from sealift import AsyncStorage, Limits, S3Config, ServiceError
from sealift.types import MiB
from tests.api.helpers import files_in
from tests.api.servers import HOST, SECRET, Asked, FakeS3, Reply, elsewhere, pattern

pytestmark = pytest.mark.anyio

OBJECTS = {"models": {"a/x y": b"x", "a/z": b"z", "large": pattern(6 * MiB)}}


@pytest.fixture
def s3_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve the names below s3.test to this machine."""
    getaddrinfo = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        return getaddrinfo(HOST if str(host).endswith("s3.test") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


async def test_path_style_is_the_custom_endpoints(tmp_path: Path) -> None:
    with FakeS3(OBJECTS) as server:
        await AsyncStorage().download("s3://models/a/x y", tmp_path / "x", config=server.config)
        await AsyncStorage().download("s3://models/a/", tmp_path / "a", config=server.config)
    assert files_in(tmp_path) == {"x": b"x", "a/x y": b"x", "a/z": b"z"}
    assert {asked.path for asked in server.asked} == {"/models/a/x%20y", "/models/a/z", "/models/"}
    assert {asked.host for asked in server.asked} == {f"{HOST}:{server.port}"}


@pytest.mark.parametrize("given", ["config", "environment"])
@pytest.mark.usefixtures("s3_test")
async def test_virtual_style(tmp_path: Path, given: str) -> None:
    with FakeS3(OBJECTS) as server:
        endpoint = f"http://s3.test:{server.port}"
        config, environ = None, {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": SECRET}
        if given == "config":
            config = S3Config("A", SECRET, endpoint_url=endpoint, addressing_style="virtual")
        else:
            environ |= {"AWS_ENDPOINT_URL": endpoint, "S3_USER_VIRTUAL_BUCKET": "1"}
        storage = AsyncStorage(environ=environ)
        await storage.download("s3://models/a/x y", tmp_path / "x", config=config)
        await storage.download("s3://models/a", tmp_path / "a", config=config)
    assert files_in(tmp_path) == {"x": b"x", "a/x y": b"x", "a/z": b"z"}
    assert {asked.path for asked in server.asked} == {"/a/x%20y", "/a", "/a/z", "/"}
    assert {asked.host for asked in server.asked} == {f"models.s3.test:{server.port}"}


@pytest.mark.usefixtures("s3_test")
async def test_the_configuration_file_may_say_virtual(
    tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeS3(OBJECTS) as server:
        file = bare_environment / "config"
        file.write_text(f"[default]\nendpoint_url = http://s3.test:{server.port}\ns3 =\n  addressing_style = virtual\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        await AsyncStorage().download("s3://models/a/z", tmp_path / "z", config=S3Config("A", SECRET))
    assert files_in(tmp_path) == {"z": b"z"}
    assert {(asked.host, asked.path) for asked in server.asked} == {(f"models.s3.test:{server.port}", "/a/z")}


async def test_an_endpoint_may_have_a_path(tmp_path: Path) -> None:
    with FakeS3({"gateway": {"s3/models/z": b"z"}}) as server:
        config = S3Config("A", SECRET, endpoint_url=f"{server.endpoint}/gateway/s3/")
        await AsyncStorage().download("s3://models/z", tmp_path / "z", config=config)
    assert files_in(tmp_path) == {"z": b"z"}
    assert {asked.path for asked in server.asked} == {"/gateway/s3/models/z"}


@pytest.mark.parametrize(
    ("region", "bucket", "host", "path"),
    [
        ("eu-west-1", "models", "models.s3.eu-west-1.amazonaws.com", "/z"),
        ("us-east-1", "models", "models.s3.amazonaws.com", "/z"),
        ("cn-north-1", "models", "models.s3.cn-north-1.amazonaws.com.cn", "/z"),
        ("eu-west-1", "dotted.models", "s3.eu-west-1.amazonaws.com", "/dotted.models/z"),
    ],
)
async def test_amazon_s_hosts(tmp_path: Path, region: str, bucket: str, host: str, path: str) -> None:
    """A proxy receives the requests, so that nothing leaves this machine."""
    with FakeS3({"models": {"z": b"z"}, "s3": {"dotted.models/z": b"z"}}) as server:
        config = S3Config("A", SECRET, region=region, use_ssl=False)
        storage = AsyncStorage(environ={"HTTP_PROXY": server.endpoint})
        await storage.download(f"s3://{bucket}/z", tmp_path / "z", config=config)
    assert files_in(tmp_path) == {"z": b"z"}
    assert {(asked.host, asked.path, asked.region) for asked in server.asked} == {(host, path, region)}


ACCOUNT = "123456789012"
POINTS = [
    ("arn:aws:s3:us-west-2", "accesspoint/models", ".s3-accesspoint.us-west-2.amazonaws.com"),
    ("arn:aws:s3:us-west-2", "accesspoint:models", ".s3-accesspoint.us-west-2.amazonaws.com"),
    ("arn:aws-cn:s3:cn-north-1", "accesspoint/models", ".s3-accesspoint.cn-north-1.amazonaws.com.cn"),
    ("arn:aws:s3-object-lambda:us-west-2", "accesspoint/models", ".s3-object-lambda.us-west-2.amazonaws.com"),
    ("arn:aws:s3-outposts:us-west-2", "outpost/op-01/accesspoint/models", ".op-01.s3-outposts.us-west-2.amazonaws.com"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "resource", "domain"), POINTS)
async def test_access_points(tmp_path: Path, service: str, resource: str, domain: str) -> None:
    """The SDK's own rules apply: the region comes from the ARN, not from the configuration."""
    partition, name, own_region = service.split(":")[1:]
    with FakeS3({f"models-{ACCOUNT}": {"accesspoint/z": b"z"}}) as server:
        region = "cn-northwest-1" if partition == "aws-cn" else "eu-west-1"
        config = S3Config("A", SECRET, region=region, use_ssl=False)
        storage = AsyncStorage(environ={"HTTP_PROXY": server.endpoint})
        await storage.download(f"s3://{service}:{ACCOUNT}:{resource}/accesspoint/z", tmp_path / "z", config=config)
    assert files_in(tmp_path) == {"z": b"z"}
    assert {(asked.host, asked.path) for asked in server.asked} == {(f"models-{ACCOUNT}{domain}", "/accesspoint/z")}
    for asked in server.asked:
        if name == "s3-outposts":  # the SDK signs these for all regions
            assert asked.headers["authorization"].startswith("AWS4-ECDSA-P256-SHA256 ")
            assert (asked.headers["x-amz-region-set"], f"/{name}/aws4_request" in asked.headers["authorization"]) == (
                "*",
                True,
            )
        else:
            assert f"/{own_region}/{name}/aws4_request" in asked.headers["authorization"]


@pytest.mark.parametrize("separator", "/:")
async def test_a_copy_from_an_access_point(separator: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: the source has one form only."""

    def instead(asked: Asked) -> Reply | None:
        return Reply(200, b'<R><ETag>"1"</ETag></R>') if asked.method == "PUT" else None

    arn = f"arn:aws:s3:us-west-2:{ACCOUNT}:accesspoint"
    with FakeS3({f"models-{ACCOUNT}": {"a/x y": b"z"}}, instead=instead) as server:
        config = S3Config("A", SECRET, region="us-west-2", use_ssl=False)
        storage = AsyncStorage(environ={"HTTP_PROXY": server.endpoint})
        await storage.copy(f"s3://{arn}{separator}models/a/x y", "s3://others/z", config=config, dest_config=config)
    (copy,) = (asked for asked in server.asked if asked.method == "PUT")
    assert unquote(copy.headers["x-amz-copy-source"]) == f"{arn}/models/object/a/x y"


@pytest.mark.parametrize("alias", ["models-a1b2c3-s3alias", "models-a1b2c3--ol-s3"])
async def test_the_alias_of_an_access_point_is_a_bucket(tmp_path: Path, alias: str) -> None:
    with FakeS3({alias: {"z": b"z"}}) as server:
        config = S3Config("A", SECRET, region="us-west-2", use_ssl=False)
        storage = AsyncStorage(environ={"HTTP_PROXY": server.endpoint})
        await storage.download(f"s3a://{alias}/z", tmp_path / "z", config=config)
    assert files_in(tmp_path) == {"z": b"z"}
    assert {(asked.host, asked.path) for asked in server.asked} == {(f"{alias}.s3.us-west-2.amazonaws.com", "/z")}


@pytest.mark.parametrize("moved", [301, 400])
async def test_a_bucket_of_another_region(tmp_path: Path, moved: int) -> None:
    """Behind one endpoint, only the signature changes; HEAD and the listing discover the region."""
    with FakeS3(OBJECTS, region="eu-west-1", moved=moved) as server:
        async with AsyncStorage(Limits(part_size=MiB)) as storage:
            await storage.download("s3://models/large", tmp_path / "large", config=server.config)
            assert [asked.region for asked in server.asked[:2]] == ["us-east-1", "eu-west-1"]
            assert {asked.region for asked in server.asked[1:]} == {"eu-west-1"}
            server.asked.clear()
            await storage.download("s3://models/a/", tmp_path / "a", config=server.config)
            assert [asked.region for asked in server.asked] == ["us-east-1"] + 3 * ["eu-west-1"]
            assert sorted(await storage.list_objects("s3://models/a/", config=server.config)) == ["x y", "z"]
            assert (await storage.get_object_metadata("s3://models/a/z", config=server.config))["size"] == 1
    assert files_in(tmp_path) == {"large": OBJECTS["models"]["large"], "a/x y": b"x", "a/z": b"z"}


@pytest.mark.parametrize("moved", [301, 400])
async def test_a_read_may_be_the_first_to_find_out(tmp_path: Path, moved: int) -> None:
    """A read may discover the region; all parts in flight are sent again."""

    def only_reads(asked: Asked) -> Reply | None:
        return elsewhere("eu-west-1", moved) if asked.method == "GET" and asked.region != "eu-west-1" else None

    with FakeS3(OBJECTS, instead=only_reads) as server:
        storage = AsyncStorage(Limits(part_size=256 * 1024))
        await storage.download("s3://models/large", tmp_path / "large", config=server.config)
    assert files_in(tmp_path) == {"large": OBJECTS["models"]["large"]}
    assert {asked.region for asked in server.asked} == {"us-east-1", "eu-west-1"}


async def test_amazon_s_redirect_changes_the_host(tmp_path: Path) -> None:
    with FakeS3(OBJECTS, region="eu-west-1") as server:
        storage = AsyncStorage(environ={"HTTP_PROXY": server.endpoint})
        config = S3Config("A", SECRET, region="us-west-2", use_ssl=False)
        await storage.download("s3://models/a/z", tmp_path / "z", config=config)
    assert files_in(tmp_path) == {"z": b"z"}
    assert [(asked.method, asked.host, asked.region) for asked in server.asked] == [
        ("HEAD", "models.s3.us-west-2.amazonaws.com", "us-west-2"),
        ("HEAD", "models.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("GET", "models.s3.eu-west-1.amazonaws.com", "eu-west-1"),
    ]


async def test_a_bucket_that_is_nowhere(tmp_path: Path) -> None:
    """If each region redirects to another, the call fails instead of following them."""
    with FakeS3(OBJECTS, instead=lambda asked: elsewhere(f"{asked.region}-x", 301)) as server:
        with pytest.raises(ServiceError, match="301") as caught:
            await AsyncStorage().download("s3://models/a/", tmp_path / "a", config=server.config)
        assert [asked.region for asked in server.asked] == ["us-east-1", "us-east-1-x"]
    assert "s3://models/a/" in str(caught.value)
    assert files_in(tmp_path) == {}
