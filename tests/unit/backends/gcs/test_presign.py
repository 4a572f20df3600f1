"""Keys that cannot sign a URL. `tests/api/test_presign.py` compares the URLs with those of Google's client."""

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sealift.backends.gcs.presign import presigned_url
from sealift.errors import InvalidConfig
from sealift.wire import Origin

NOW = datetime(2026, 11, 28, 12, 30, 5, tzinfo=UTC)
GOOGLE = Origin.of("https://storage.googleapis.com")
EMAIL = "reader@project.iam.gserviceaccount.com"


def pem(key: Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    text: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return text.decode()


@pytest.mark.parametrize("key", ["", "no key", pem(ec.generate_private_key(ec.SECP256R1()))], ids=["", "text", "EC"])
def test_a_key_that_is_not_valid(key: str) -> None:
    with pytest.raises(InvalidConfig, match="no valid private_key") as caught:
        presigned_url(GOOGLE, "/b/k", {"client_email": EMAIL, "private_key": key}, "GET", 600, NOW)
    assert "BEGIN" not in str(caught.value)
