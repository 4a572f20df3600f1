"""Verify signatures as a service does, with other code than sealift's: botocore and cryptography."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_AUTHORIZATION = re.compile(
    r"AWS4-(HMAC-SHA256|ECDSA-P256-SHA256) Credential=([^/]+)/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]+)"
)
# https://doi.org/10.6028/NIST.SP.800-186, curve P-256
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def scope(headers: Mapping[str, str]) -> tuple[str, list[str]]:
    """The access key of a signed request, and the scope of its signature: date, region (not for 4A), service."""
    found = _AUTHORIZATION.fullmatch(headers["authorization"])
    assert found is not None
    return found[2], found[3].removesuffix("/aws4_request").split("/")


def is_signed(method: str, target: str, headers: Mapping[str, str], secret: str) -> bool:
    """Whether a request has a valid signature of an access key with this secret.

    Args:
        method: HTTP method.
        target: Path and query as sent.
        headers: As sent, with names in lower case.
        secret: The secret of the access key.
    """
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        return False
    algorithm, access_key, signed_scope, names, signature = found.groups()
    if {name for name in headers if name.startswith("x-amz-")} - set(names.split(";")):
        return False  # all of them must be signed
    signer = S3SigV4Auth(Credentials(access_key, secret), *reversed(signed_scope.split("/")[-3:-1]))
    sent = {name: headers[name] for name in names.split(";")}
    request = AWSRequest(method, f"http://{headers['host']}{target}", headers=sent)
    request.context["timestamp"] = headers["x-amz-date"]
    canonical = signer.canonical_request(request)
    if algorithm == "HMAC-SHA256":
        return hmac.compare_digest(signer.signature(signer.string_to_sign(request, canonical), request), signature)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-ECDSA-P256-SHA256\n{headers['x-amz-date']}\n{signed_scope}\n{digest}"
    try:
        _private_key(access_key, secret).public_key().verify(
            bytes.fromhex(signature), text.encode(), ec.ECDSA(SHA256())
        )
    except InvalidSignature:
        return False
    return True


def _private_key(access_key: str, secret: str) -> ec.EllipticCurvePrivateKey:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, SigV4A."""
    for counter in range(1, 255):
        fixed = b"\x00\x00\x00\x01AWS4-ECDSA-P256-SHA256\x00" + access_key.encode() + bytes([counter, 0, 0, 1, 0])
        candidate = int.from_bytes(hmac.digest(f"AWS4A{secret}".encode(), fixed, "sha256"))
        if candidate <= _ORDER - 2:
            return ec.derive_private_key(candidate + 1, ec.SECP256R1())
    raise AssertionError("no key can be derived")
