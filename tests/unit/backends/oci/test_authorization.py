"""Challenges of registries: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1"""

import pytest

from sealift.backends.oci.authorization import parse_challenge


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
            "bearer",
            {"realm": "https://auth.docker.io/token", "service": "registry.docker.io", "scope": "repository:a/b:pull"},
        ),
        (
            'bearer Realm = "https://a", scope="repository:a:pull,push"',
            "bearer",
            {"realm": "https://a", "scope": "repository:a:pull,push"},
        ),
        ('Basic realm="x", Bearer realm="https://a",service=b', "bearer", {"realm": "https://a", "service": "b"}),
        ('Bearer realm="https://a", Basic realm="x"', "bearer", {"realm": "https://a"}),
        (r'Basic realm="a \"registry\""', "basic", {"realm": 'a "registry"'}),
        ("Basic", "basic", {}),
        ('Digest realm="x"', "", {}),
        ("", "", {}),
    ],
)
def test_challenges(header: str, scheme: str, parameters: dict[str, str]) -> None:
    assert parse_challenge(header) == (scheme, parameters)
