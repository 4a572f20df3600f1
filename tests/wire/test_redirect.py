"""Following redirects: the next request, its headers, and the addresses it may reach."""

from dataclasses import replace

import pytest

from sealift.errors import TransportError
from sealift.wire import TLS, Origin, Request, Response
from sealift.wire.redirect import as_target, redirected

SECRET = "Pa55word"
HEADERS = [("authorization", SECRET), ("x-api-key", SECRET), ("Range", "bytes=0-9"), ("if-match", '"v1"')]
REQUEST = Request("GET", Origin.of("https://a.test"), f"/dir/file?sig={SECRET}", HEADERS, TLS(ca_file="/ca.pem"))


def to(location: str, status: int = 302) -> Response:
    return Response(status, [(b"server", b"test"), (b"location", location.encode())])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_redirect_statuses(status: int, method: str) -> None:
    following = redirected(replace(REQUEST, method=method), to("/there", status))
    assert following is not None
    assert (following.method, following.target, following.origin) == (method, "/there", REQUEST.origin)


@pytest.mark.parametrize("status", [200, 206, 300, 304, 305, 404, 500])
def test_other_statuses_are_not_redirects(status: int) -> None:
    assert redirected(REQUEST, to("/there", status)) is None


def test_a_redirect_without_a_location_is_not_followed() -> None:
    assert redirected(REQUEST, Response(302, [])) is None


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("other", "https://a.test:443/dir/other"),
        ("../other?x=1", "https://a.test:443/other?x=1"),
        ("/other", "https://a.test:443/other"),
        ("?x=1", "https://a.test:443/dir/file?x=1"),
        ("//b.test/other", "https://b.test:443/other"),
        ("https://b.test", "https://b.test:443/"),
        ("HTTPS://B.test:8443?x", "https://b.test:8443/?x"),
        ("https://b.test/a/../b//c#fragment", "https://b.test:443/a/../b//c"),
        ("https://[::1]:8443/x", "https://::1:8443/x"),
        # Encoded characters, and all others that are valid in a request, are not changed.
        ('/a%20b%2Fc%3f?q=%41&r={x}|y^`"<>\\', 'https://a.test:443/a%20b%2Fc%3f?q=%41&r={x}|y^`"<>\\'),
        ("/with space?x y", "https://a.test:443/with%20space?x%20y"),
        ("/modèle?naïve", "https://a.test:443/mod%C3%A8le?na%C3%AFve"),
    ],
)
def test_the_next_request(location: str, url: str) -> None:
    following = redirected(REQUEST, to(location))
    assert following is not None
    origin = following.origin
    assert f"{origin.scheme}://{origin.host}:{origin.port}{following.target}" == url
    assert following.tls == replace(REQUEST.tls, allowed_addresses="any" if origin == REQUEST.origin else "public")


@pytest.mark.parametrize("location", ["/x", "https://a.test/x", "https://A.TEST:443/x"])
def test_all_headers_are_sent_to_the_same_origin(location: str) -> None:
    following = redirected(REQUEST, to(location))
    assert following is not None
    assert following.headers == HEADERS


@pytest.mark.parametrize("location", ["https://b.test/x", "https://a.test:8443/x", "https://a.a.test/x"])
def test_only_listed_headers_are_sent_to_another_origin(location: str) -> None:
    kept = redirected(REQUEST, to(location), keep={"range", "if-match"})
    none = redirected(REQUEST, to(location))
    assert kept is not None
    assert none is not None
    assert kept.headers == [("Range", "bytes=0-9"), ("if-match", '"v1"')]
    assert none.headers == []


def test_another_scheme_is_another_origin() -> None:
    following = redirected(replace(REQUEST, origin=Origin.of("http://a.test")), to("https://a.test/x"))
    assert following is not None
    assert (following.origin, following.headers) == (REQUEST.origin, [])


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://a.test/x", "redirects from https to http"),
        ("http://b.test/x", "redirects from https to http"),
        ("ftp://b.test/x", "redirects to a location that is not an http or https URL"),
        ("file:///etc/passwd", "redirects to a location that is not an http or https URL"),
        ("s3://bucket/key", "redirects to a location that is not an http or https URL"),
        ("https://[::1/x", "redirects to a location that is not an http or https URL"),
        ("https://b.test:port/x", "redirects to a location that is not an http or https URL"),
    ],
)
def test_redirects_that_are_refused(location: str, why: str) -> None:
    with pytest.raises(TransportError, match=f"^a.test:443 {why}") as caught:
        redirected(REQUEST, to(f"{location}?sig={SECRET}"))
    assert not caught.value.retryable
    assert SECRET not in str(caught.value)


def test_a_downgrade_to_http_can_be_allowed() -> None:
    following = redirected(REQUEST, to("http://b.test/x"), downgrade=True)
    assert following is not None
    assert (following.origin, following.headers) == (Origin.of("http://b.test"), [])


@pytest.mark.parametrize(
    ("hosts", "allowed"),
    [
        (("a.test", "b.test"), "public"),
        (("a.test", "a.test"), "any"),
        (("127.0.0.1", "b.test"), "local"),
        (("10.1.2.3", "b.test"), "local"),
        (("[fd12::1]", "b.test"), "local"),
        (("localhost", "b.test"), "local"),
        (("models.localhost", "b.test"), "local"),
        (("localhost.test", "b.test"), "public"),
        (("93.184.215.14", "b.test"), "public"),
        (("127.0.0.1", "b.test", "c.test"), "public"),
        (("a.test", "127.0.0.1", "b.test"), "public"),  # never widened again
        (("[::ffff:127.0.0.1]", "b.test"), "local"),
    ],
)
def test_a_redirect_narrows_the_allowed_addresses(hosts: tuple[str, ...], allowed: str) -> None:
    request = Request("GET", Origin.of(f"http://{hosts[0]}"), "/")
    anywhere = request
    for host in hosts[1:]:
        response = to(f"http://{host}/x")
        following, further = redirected(request, response), redirected(anywhere, response, anywhere=True)
        assert following is not None
        assert further is not None
        request, anywhere = following, further
    assert request.tls.allowed_addresses == allowed
    assert anywhere.tls.allowed_addresses == "any"


def test_targets_with_surrogates_and_control_characters() -> None:
    assert as_target("/\ud800") == "/%ED%A0%80"
    assert as_target("/\x7f\n") == "/%7F%0A"
