"""A signer that puts any statement, right or wrong, into a bundle with a valid signature."""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["PUBLIC_KEY", "bundle", "resource", "statement"]

_KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = _KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
_TYPE = "application/vnd.in-toto+json"


def resource(name: str, data: bytes) -> dict[str, str]:
    return {"name": name, "algorithm": "sha256", "digest": hashlib.sha256(data).hexdigest()}


def statement(resources: list[dict[str, str]], **serialization: Any) -> dict[str, Any]:
    root = hashlib.sha256(b"".join(bytes.fromhex(each["digest"]) for each in resources)).hexdigest()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": root}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": resources,
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, **serialization},
        },
    }


def bundle(payload: dict[str, Any] | bytes) -> dict[str, Any]:
    """Sign a statement. The bundle may be changed before `json.dumps`."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(_TYPE), _TYPE.encode(), len(text), text)
    signature = _KEY.sign(signed, ec.ECDSA(hashes.SHA256()))
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(PUBLIC_KEY).hexdigest()}},
        "dsseEnvelope": {
            "payload": base64.b64encode(text).decode(),
            "payloadType": _TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
