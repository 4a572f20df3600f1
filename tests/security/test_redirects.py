"""Redirects: no secret is sent along, and addresses that only this machine can reach are blocked."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Self

import pytest
import trustme

from sealift import (
    AsyncStorage,
    AzureConfig,
    HFConfig,
    HTTPConfig,
    Limits,
    OCIConfig,
    S3Config,
    StorageError,
    TransportError,
)
from tests.api.helpers import shows
from tests.api.servers import FakeS3, elsewhere
from tests.services.http_server import Asked, OddServer, Reply, good
from tests.services.hub import GRANTED, FakeHub
from tests.services.hub import Reply as HubReply

pytestmark = pytest.mark.anyio

SECRET = "Pa55word"
Serve = Callable[..., OddServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start loopback servers that answer with the result of a function."""
    with ExitStack() as stack:
        yield lambda answer, **options: stack.enter_context(OddServer(answer, **options))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Name → its addresses, one item per lookup, the last one repeated; other names resolve as usual."""
    known: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        if host not in known:
            return resolve(host, port, **options)
        addresses = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [found for address in addresses.split() for found in resolve(address, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def file(asked: Asked) -> Reply:
    return good(asked, b"data")


def to(url: str) -> Callable[[Asked], Reply]:
    return lambda asked: Reply(302, b"moved", {"Location": url})


def storage() -> AsyncStorage:
    return AsyncStorage(Limits(attempts=5), environ={})


METADATA = [
    "169.254.169.254", "169.254.170.2", "[fe80::1]", "[fd00:ec2::254]", "[fd00:ec2::23]", "100.100.100.200",
    "168.63.129.16", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
    # Other notations that the system's resolver accepts.
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518",
]  # fmt: skip
OWN = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "localhost",
    "LOCALHOST",
]


@pytest.mark.parametrize("host", METADATA)
@pytest.mark.parametrize("named", [False, True], ids=["from loopback", "from elsewhere"])
async def test_no_redirect_leads_to_a_metadata_service(
    serve: Serve, names: dict[str, list[str]], host: str, named: bool
) -> None:
    names["elsewhere.test"] = ["127.0.0.1"]
    hub = serve(to(f"http://{host}/latest/meta-data/?x={SECRET}"))
    with pytest.raises(TransportError, match="a redirect to .* was blocked: a link-local or cloud metadata") as caught:
        await storage().read(f"http://{'elsewhere.test' if named else '127.0.0.1'}:{hub.port}/m")
    assert not shows(caught.value, SECRET)
    assert len(hub.asked) == 1  # it is not retried


@pytest.mark.parametrize("host", OWN)
async def test_no_redirect_from_elsewhere_leads_to_this_machine(
    serve: Serve, names: dict[str, list[str]], host: str
) -> None:
    names["elsewhere.test"] = names["localhost."] = ["127.0.0.1"]
    inner = serve(file)
    hub = serve(to(f"http://{host}:{inner.port}/secret"))
    with pytest.raises(TransportError, match="a redirect to .* was blocked: a loopback address"):
        await storage().read(f"http://elsewhere.test:{hub.port}/m")
    assert not inner.asked


@pytest.mark.parametrize("addresses", ["127.0.0.1", "169.254.169.254", "::1", "127.0.0.1 169.254.169.254"])
async def test_what_a_name_resolves_to_counts(serve: Serve, names: dict[str, list[str]], addresses: str) -> None:
    names |= {"elsewhere.test": ["127.0.0.1"], "inner.test": [addresses]}
    inner = serve(file)
    hub = serve(to(f"http://inner.test:{inner.port}/secret"))
    with pytest.raises(TransportError, match=f"a redirect to inner.test:{inner.port}"):
        await storage().read(f"http://elsewhere.test:{hub.port}/m")
    assert not inner.asked


async def test_a_name_that_changes_its_address_is_looked_at_where_it_is_connected_to(
    serve: Serve, names: dict[str, list[str]]
) -> None:
    """The checked address is the one connected to; a second lookup could return another one."""
    names |= {"elsewhere.test": ["127.0.0.1"], "rebinding.test": ["127.0.0.9 169.254.169.254", "127.0.0.1"]}
    inner = serve(file)
    hub = serve(to(f"http://rebinding.test:{inner.port}/secret"))
    with pytest.raises(TransportError, match="a redirect to rebinding.test"):
        await storage().read(f"http://elsewhere.test:{hub.port}/m")
    assert not inner.asked
    assert names["rebinding.test"] == ["127.0.0.1"]  # not looked up


async def test_a_connection_that_the_caller_has_asked_for_is_none_for_a_redirect(
    serve: Serve, names: dict[str, list[str]]
) -> None:
    names |= {"elsewhere.test": ["127.0.0.1"], "inner.test": ["127.0.0.1"]}
    inner = serve(file)
    hub = serve(to(f"http://inner.test:{inner.port}/secret"))
    async with storage() as instance:
        assert await instance.read(f"http://inner.test:{inner.port}/m") == b"data"
        asked = len(inner.asked)
        with pytest.raises(TransportError, match="a redirect to inner.test"):
            await instance.read(f"http://elsewhere.test:{hub.port}/m")
        assert len(inner.asked) == asked
        assert await instance.read(f"http://inner.test:{inner.port}/m") == b"data"


async def test_a_detour_does_not_help(serve: Serve, names: dict[str, list[str]]) -> None:
    """Follow elsewhere → a private address → this machine."""
    names |= {"elsewhere.test": ["127.0.0.1"], "third.test": ["127.0.0.1"]}
    inner = serve(file)
    second = serve(to(f"http://127.0.0.1:{inner.port}/secret"))
    first = serve(to(f"http://third.test:{second.port}/"))
    with pytest.raises(TransportError, match="a redirect to third.test"):
        await storage().read(f"http://elsewhere.test:{first.port}/m")
    assert not second.asked
    assert not inner.asked


async def test_from_this_machine_to_this_machine(serve: Serve) -> None:
    inner = serve(file)
    for host in ("127.0.0.1", "localhost"):
        hub = serve(to(f"http://{host}:{inner.port}/m"))
        assert await storage().read(f"{hub.url}/m") == b"data"


async def test_what_the_caller_names_is_asked(serve: Serve, names: dict[str, list[str]]) -> None:
    names["inner.test"] = ["127.0.0.1"]
    inner = serve(file)
    assert await storage().read(f"http://inner.test:{inner.port}/m") == b"data"


async def test_where_the_caller_allows_it(serve: Serve, names: dict[str, list[str]]) -> None:
    names["elsewhere.test"] = ["127.0.0.1"]
    inner = serve(file)
    hub = serve(to(f"http://127.0.0.1:{inner.port}/m"))
    config = HTTPConfig({"X-Api-Key": SECRET}, allow_local_redirects=True)
    assert await storage().read(f"http://elsewhere.test:{hub.port}/m", config=config) == b"data"
    assert SECRET not in repr(inner.asked)


async def test_behind_a_proxy_addresses_are_looked_at_as_they_are_written(serve: Serve) -> None:
    """Only literal addresses are checked, because the proxy resolves names."""
    proxy = serve(lambda asked: Reply(302, b"", {"Location": "http://169.254.169.254/latest"}))
    instance = AsyncStorage(environ={"HTTP_PROXY": proxy.url})
    with pytest.raises(TransportError, match="a redirect to 169.254.169.254:80"):
        await instance.read("http://elsewhere.test/m")
    assert [asked.target for asked in proxy.asked] == ["http://elsewhere.test/m"]


async def test_the_hub_leads_to_no_metadata_service_either() -> None:
    with FakeHub(instead=lambda asked: None) as hub:
        hub.repo("owner/model", {"model.bin": b"x" * 100})
        hub.instead = lambda asked: (
            HubReply(302, headers={"Location": "http://169.254.169.254/", "X-Linked-Size": "100"})
            if asked.resolves
            else None
        )
        with pytest.raises(TransportError, match="a redirect to 169.254.169.254:80"):
            await storage().read("hf://owner/model/model.bin", config=hub.signed_in())


# --- secrets


async def test_headers_of_a_configuration_stay_with_the_origin_of_the_uri(serve: Serve) -> None:
    """They are not sent to another port or another name of the same machine, nor when such a server redirects back."""
    urls: dict[str, str] = {}
    other = serve(lambda asked: Reply(302, b"", {"Location": urls["back"]}) if "back" in asked.target else file(asked))
    hub = serve(lambda asked: file(asked) if asked.path == "/end" else Reply(302, b"", {"Location": urls["to"]}))
    urls["back"] = f"{hub.url}/end"
    secrets = {
        "Authorization": f"Bearer {SECRET}",
        "Cookie": SECRET,
        "X-Api-Key": SECRET,
        "Proxy-Authorization": SECRET,
    }
    for target in (f"{other.url}/m", f"{other.url}/back", f"http://localhost:{hub.port}/end"):
        urls["to"] = target
        del hub.asked[:]
        assert await storage().read(f"{hub.url}/m", config=HTTPConfig(secrets)) == b"data"
        assert SECRET in repr(hub.asked[0].headers)
        assert SECRET not in repr([asked for asked in hub.asked if asked.path == "/end"])
    assert other.asked
    assert SECRET not in repr(other.asked)


async def test_the_token_of_the_hub_goes_to_the_hub_only() -> None:
    with FakeHub() as hub:
        hub.repo("owner/gated", {"model.safetensors": b"x" * 5000, "config.json": b"{}"}, access="gated")
        instance = storage()
        for key in ("model.safetensors", "config.json"):
            assert await instance.read(f"hf://owner/gated/{key}", config=hub.signed_in())
        assert hub.requests("storage")
        assert GRANTED not in repr(hub.requests("storage"))
        assert all(GRANTED in repr(asked.headers) for asked in hub.requests("hub"))


@pytest.mark.parametrize("region", ["eu-west-1", "evil.test/", "evil.test#", "a\tb", "x" * 64, "user@evil.test"])
@pytest.mark.parametrize("status", [301, 307, 400])
async def test_another_region_is_asked_at_the_endpoint_that_was_given(serve: Serve, region: str, status: int) -> None:
    """Neither a Location header nor a region name redirects to another host."""
    other = serve(file)

    def moved(asked: Any) -> Any:
        reply = elsewhere(region, status)
        reply.headers["Location"] = f"{other.url}/b/m"
        return reply

    with FakeS3({"b": {"m": b"m"}}, instead=moved) as server:
        with pytest.raises(StorageError) as caught:
            await storage().read("s3://b/m", config=server.config)
        asked = {asked.region for asked in server.asked}
    assert asked == ({"us-east-1", region} if region == "eu-west-1" else {"us-east-1"})
    assert not other.asked
    assert not shows(caught.value, "the-secret-of-the-fake")


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def certificate(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_from_https_to_http_only_where_the_caller_allows_it(
    serve: Serve, authority: trustme.CA, ca_file: str
) -> None:
    plain = serve(file)
    secure = serve(to(f"{plain.url}/m?{SECRET}"), tls=certificate(authority, "127.0.0.1"))
    headers = {"Authorization": SECRET}
    with pytest.raises(TransportError, match="redirects from https to http") as caught:
        await storage().read(f"{secure.url}/m", config=HTTPConfig(headers, verify_ssl=ca_file))
    assert not shows(caught.value, SECRET)
    assert not plain.asked
    config = HTTPConfig(headers, verify_ssl=ca_file, allow_downgrade=True)
    assert await storage().read(f"{secure.url}/m", config=config) == b"data"
    assert plain.asked
    assert "authorization" not in plain.asked[0].headers


class Knocks:
    """Counts the connections to a TLS server that never replies."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.count = 0
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.count += 1
            with connection:
                try:
                    self._context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()


CASES: Mapping[str, Callable[[str, str], tuple[str, Any]]] = {
    "http": lambda url, trusted: (f"{url}/m", HTTPConfig(verify_ssl=trusted or True)),
    "s3": lambda url, trusted: ("s3://b/m", S3Config("A", SECRET, endpoint_url=url, verify_ssl=trusted or True)),
    "azure": lambda url, trusted: (
        "azure://container/m",
        AzureConfig("models", account_key="c2VjcmV0", endpoint_url=f"{url}/models", verify_ssl=trusted or True),
    ),
    "hf": lambda url, trusted: ("hf://owner/name/m", HFConfig("token", url, verify_ssl=trusted or True)),
    "oci": lambda url, trusted: (
        f"oci://{url.removeprefix('https://')}/owner/name:latest/m",
        OCIConfig("user", "password", insecure=False, verify_ssl=trusted or True),
    ),
}


@pytest.mark.parametrize("scheme", CASES)
@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_certificate_that_is_not_trusted_is_not_asked_for_twice(
    authority: trustme.CA, ca_file: str, scheme: str, wrong: str
) -> None:
    """No retry, no other address, and no request is sent."""
    with Knocks(certificate(authority, "127.0.0.1" if wrong == "authority" else "elsewhere.test")) as server:
        uri, config = CASES[scheme](server.url, ca_file if wrong == "name" else "")
        with pytest.raises(TransportError, match="the certificate of 127.0.0.1:.* is not trusted") as caught:
            await storage().read(uri, config=config)
        assert server.count == 1
    assert not caught.value.retryable
