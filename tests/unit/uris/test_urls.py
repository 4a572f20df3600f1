"""HTTP and HTTPS URLs: host names and verbatim paths."""

import pytest

from sealift.errors import InvalidConfig, InvalidURI
from sealift.uri import Location, parse
from sealift.uris.urls import ascii_host
from sealift.wire import Origin


@pytest.mark.parametrize(
    "path",
    [
        "a/../b", "../b", "./a", "a//b", "/a", "a%2Fb", "a%2fb", "%2e%2e/b", "a/.", "a+b", "a;b=c", "a%00", "%C3%BC",
        "ü", "a\\b",
    ],
)  # fmt: skip
def test_path_is_verbatim(path: str) -> None:
    for host in ("http://host", "https://host:8443", "http://[::1]:80", "http://bucket.s3.amazonaws.com"):
        place = parse(f"{host}/{path}?x=%2F#fragment")
        assert (place.root, place.key, place.query) == (host, path, "x=%2F")
        assert str(place) == f"{host}/{path}"


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("HTTPS://Host.Example:8443/", "https://host.example:8443"),
        ("https://host.example./x", "https://host.example."),
        ("http://modèles.example", "http://xn--modles-5ua.example"),
        ("http://xn--modles-5ua.example", "http://xn--modles-5ua.example"),
        ("http://\uff48ost.example/x", "http://host.example"),
        ("http://host\u3002example/x", "http://host.example"),
        ("http://[::FFFF:127.0.0.1]:8080/x", "http://[::ffff:127.0.0.1]:8080"),
        ("http://under_score/x", "http://under_score"),
        ("https://storage.googleapis.com/bucket/key", "https://storage.googleapis.com"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/key", "https://bucket.s3.eu-west-1.amazonaws.com"),
        ("https://huggingface.co/owner/name/resolve/main/x", "https://huggingface.co"),
    ],
)
def test_host_is_normalized_for_dns(text: str, root: str) -> None:
    place = parse(text)
    assert (place.scheme, place.root) == (root.partition(":")[0], root)
    assert Origin.of(root) == Origin.of(text)


@pytest.mark.parametrize("host", ["straße.example", "βόλος.example", "a\u200db.example", "a\u200cb.example"])
def test_ambiguous_international_names_are_rejected(host: str) -> None:
    with pytest.raises(InvalidURI, match="cannot be written in ASCII"):
        parse(f"https://{host}/x")
    with pytest.raises(InvalidConfig, match="cannot be written in ASCII"):
        Origin.of(f"https://{host}/x")
    with pytest.raises(ValueError, match="is ambiguous"):
        ascii_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "good.example\\.evil.example", "exa%6dple.com", "a..b", ".a", "a" * 64, "host,other", "ho'st", "a*b",
        f"{'é' * 64}.example",
    ],
)  # fmt: skip
def test_invalid_hosts_are_rejected(host: str) -> None:
    with pytest.raises(InvalidURI, match="host"):
        parse(f"https://{host}/x")


def test_azure_like_prefix_is_a_web_server() -> None:
    place = parse("https://models.blob.core.windows.net.evil.example/box/k?sig=x")
    assert place == Location("https", "https://models.blob.core.windows.net.evil.example", "box/k", query="sig=x")
