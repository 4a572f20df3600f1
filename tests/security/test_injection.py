"""Line breaks and other control characters in a caller's values are rejected or encoded, and cannot forge log lines."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from sealift import (
    AsyncStorage,
    AzureConfig,
    GCSConfig,
    HFConfig,
    HTTPConfig,
    InvalidConfig,
    InvalidURI,
    Limits,
    S3Config,
    ServiceError,
    StorageError,
)
from sealift.uri import parse
from tests.api.helpers import shows
from tests.api.servers import FakeS3, Reply
from tests.services.http_server import OddServer, good
from tests.services.http_server import Reply as Moved
from tests.services.hub import FakeHub

pytestmark = pytest.mark.anyio

SECRET = "Pa55word"
BREAKS = ["\r\n", "\n", "\r", "\0", "\x7f", "\x1b", "\t"]


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with FakeS3({"b": {"m": b"m"}}) as running:
        yield running


@pytest.mark.parametrize("bad", BREAKS, ids=repr)
@pytest.mark.parametrize(
    "uri",
    [
        "http://host/path{}X-Injected: 1",
        "http://host/path?query{}X-Injected: 1",
        "http://host{}X/path",
        "http://host:80{}/path",
        "https://models.blob.core.windows.net/container/key{}?sv=x",
        "s3://bucket{}/key",
        "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/na{}me/key",
        "abfss://container{}@models.dfs.core.windows.net/key",
        "abfss://container@models.dfs{}.core.windows.net/key",
        "hf://owner/name@rev{}ision/key",
        "gs://bucket{}/key",
        "azure://container{}/key",
        "pvc://claim{}/key",
        "hf://owner/na{}me/key",
        "hf://owner/name:rev{}ision/key",
    ],
)
def test_a_uri_with_a_line_break_where_none_can_be(uri: str, bad: str) -> None:
    with pytest.raises(InvalidURI) as caught:
        parse(uri.format(bad))
    assert bad not in str(caught.value)


CONFIGS: dict[str, Callable[[str], Any]] = {
    "s3 key": lambda text: S3Config(text, "secret"),
    "s3 secret": lambda text: S3Config("AKIA", text),
    "s3 token": lambda text: S3Config("AKIA", "secret", session_token=text),
    "s3 region": lambda text: S3Config(region=text),
    "s3 endpoint": lambda text: S3Config(endpoint_url=f"http://host/{text}"),
    "s3 profile": lambda text: S3Config(profile=text),
    "gs key": lambda text: GCSConfig(service_account_key=text),
    "gs project": lambda text: GCSConfig(project_id=text),
    "gs endpoint": lambda text: GCSConfig(endpoint_url=f"http://host/{text}"),
    "azure account": AzureConfig,
    "azure key": lambda text: AzureConfig("models", account_key=text),
    "azure signature": lambda text: AzureConfig("models", sas_token=f"sig={text}"),
    "azure string": lambda text: AzureConfig(connection_string=text),
    "azure endpoint": lambda text: AzureConfig(endpoint_url=f"http://host/{text}"),
    "azure secret": lambda text: AzureConfig("models", client_secret=text),
    "azure tenant": lambda text: AzureConfig("models", tenant_id=text),
    "hf token": HFConfig,
    "hf endpoint": lambda text: HFConfig(endpoint=f"http://host/{text}"),
    "http value": lambda text: HTTPConfig({"X-Key": text}),
    "http name": lambda text: HTTPConfig({text: "value"}),
    "http authorities": lambda text: HTTPConfig(verify_ssl=text),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("bad", ["\r\nX-Injected: 1", "\n", "\0", "\x7f"], ids=repr)
def test_a_configuration_with_a_line_break(name: str, bad: str) -> None:
    """The value may be secret: only the error for an invalid header name repeats it."""
    with pytest.raises(InvalidConfig) as caught:
        CONFIGS[name](f"{SECRET}{bad}")
    assert name == "http name" or not shows(caught.value, SECRET)


@pytest.mark.parametrize("make", [S3Config, GCSConfig, AzureConfig, HFConfig])
@pytest.mark.parametrize(
    "endpoint",
    [f"https://user:{SECRET}@host", f"https://host/?sig={SECRET}", f"https://host/#{SECRET}", f"u:{SECRET}@h"],
)
def test_an_endpoint_holds_no_secret(make: Any, endpoint: str) -> None:
    """The configuration's repr and errors would show it."""
    with pytest.raises(InvalidConfig, match="contains more than a host, port and path") as caught:
        make(**{"endpoint" if make is HFConfig else "endpoint_url": endpoint})
    assert not shows(caught.value, SECRET)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
async def test_keys_of_the_environment_with_a_line_break(server: FakeS3, name: str) -> None:
    environ = {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CONFIG_FILE": "/nonexistent",
        name: f"{SECRET}\r\nX-Injected: 1",
    }
    try:
        await AsyncStorage(environ=environ).read("s3://b/m")
    except StorageError as error:
        assert not shows(error, SECRET)
    # The secret key is never sent, so its characters do not matter; other values were rejected before any request.
    assert all("x-injected" not in asked.headers for asked in server.asked)
    assert name == "AWS_SECRET_ACCESS_KEY" or not server.asked


ODD = ["a\r\nX-Injected: 1", "a\nb", "a\0b", "a\x1b[2Jb", "a b", "a\u2028b", "a?b#c", "a%0d%0ab", "a\r\n\r\nGET /evil"]


@pytest.mark.parametrize("key", ODD, ids=repr)
async def test_keys_are_encoded_in_requests_and_in_headers(key: str) -> None:
    """A copy request contains its source in a header."""
    copied = Reply(200, b"<CopyObjectResult><ETag>&quot;1&quot;</ETag></CopyObjectResult>")
    with FakeS3({"b": {key: b"data"}}, instead=lambda asked: copied if asked.method == "PUT" else None) as server:
        async with AsyncStorage(environ={}) as storage:
            if "\0" in key:
                with pytest.raises(InvalidURI):
                    await storage.read(f"s3://b/{key}", config=server.config)
                return
            assert await storage.read(f"s3://b/{key}", config=server.config) == b"data"
            await storage.copy_object(f"s3://b/{key}", f"s3://b/to/{key}", config=server.config)
        for asked in server.asked:
            assert asked.target.isascii()
            assert asked.target.isprintable()
            assert "x-injected" not in asked.headers
        assert all("evil" not in asked.path or "%" in asked.path for asked in server.asked)
        assert sum("x-amz-copy-source" in asked.headers for asked in server.asked) == 1


@pytest.mark.parametrize("key", ["a\r\nX-Injected: 1", "a\nb", "a b", "a?x=1#y"], ids=repr)
async def test_keys_of_the_hub_are_encoded(key: str) -> None:
    with FakeHub() as hub:
        hub.repo("owner/name", {f"{key}.bin": b"data"})
        assert await AsyncStorage(environ={}).read(f"hf://owner/name/{key}.bin", config=hub.config) == b"data"
        assert all("x-injected" not in asked.headers for asked in hub.asked)


@pytest.mark.parametrize("location", ["/a\tX: 1", "/a\x0bb", "/a\x7fb"], ids=repr)
async def test_a_redirect_s_address_is_encoded(location: str) -> None:
    with OddServer(lambda asked: good(asked, b"data") if asked.path != "/m" else _moved(location)) as server:
        with suppress(StorageError):  # the reply itself may be an error
            await AsyncStorage(Limits(attempts=1), environ={}).read(f"{server.url}/m")
        assert all(asked.target.isprintable() for asked in server.asked)


def _moved(location: str) -> Any:
    return Moved(302, b"", {"Location": location})


@pytest.mark.parametrize("key", ["m\nERROR all is lost", "m\x1b]0;title\x07", "m\r\x1b[2K", "m\x9b31m"], ids=repr)
async def test_no_key_writes_a_line_of_its_own_into_a_log(server: FakeS3, key: str) -> None:
    with pytest.raises(StorageError) as caught:
        await AsyncStorage(environ={}).read(f"s3://b/{key}", config=server.config)
    assert str(caught.value).isprintable()


async def test_nor_does_what_a_service_says() -> None:
    evil = Reply(400, b"<Error><Code>Odd</Code><Message>so\nERROR all is lost\xc2\x9b2J</Message></Error>")
    with FakeS3({}, instead=lambda asked: evil) as server:
        with pytest.raises(ServiceError, match="all is lost") as caught:
            await AsyncStorage(environ={}).list_objects("s3://b/", config=server.config)
    assert str(caught.value).isprintable()
