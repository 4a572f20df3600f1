"""Read a signature bundle: JSON in the format of Sigstore, with a DSSE envelope. Nothing in it is trusted yet."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import SignatureError
from ..frozen_dataclass import dataclass
from ..types import MiB

__all__ = ["MAX_BYTES", "Bundle", "field", "strict_json"]

# A hundred thousand files need 20 MB.
MAX_BYTES = 64 * MiB
_MEDIA_TYPES = (
    "application/vnd.dev.sigstore.bundle+json;version=0.",
    "application/vnd.dev.sigstore.bundle.v0.",
)
_PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose form is right.

    Attributes:
        text: The whole bundle.
        material: What it says about the signer: `verificationMaterial`.
        payload: The statement that was signed.
        signature: The signature.
    """

    text: bytes
    material: Mapping[str, Any]
    payload: bytes
    signature: bytes

    @classmethod
    def read(cls, text: bytes) -> "Bundle":
        """Read a bundle.

        Raises:
            SignatureError: It is not a bundle of a model's signature.
        """
        if len(text) > MAX_BYTES:
            raise SignatureError(f"the signature has {len(text):,} bytes, which is more than {MAX_BYTES:,}")
        document = strict_json(text, "the signature")
        media_type = field(document, "mediaType", str)
        if not media_type.startswith(_MEDIA_TYPES):
            raise SignatureError(f"the signature has the media type {media_type!r}: it is not a Sigstore bundle")
        envelope = field(document, "dsseEnvelope", dict)
        payload_type = field(envelope, "payloadType", str)
        if payload_type != _PAYLOAD_TYPE:
            raise SignatureError(f"the signature is of {payload_type!r}, not of {_PAYLOAD_TYPE!r}")
        signatures = field(envelope, "signatures", list)
        if len(signatures) != 1 or not isinstance(signatures[0], dict):
            raise SignatureError(f"the bundle has {len(signatures)} signatures, not one")
        material = field(document, "verificationMaterial", dict)
        payload = decoded(field(envelope, "payload", str), "payload")
        return cls(text, material, payload, decoded(field(signatures[0], "sig", str), "sig"))

    @property
    def signed_bytes(self) -> bytes:
        """What was signed: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md."""
        head = f"DSSEv1 {len(_PAYLOAD_TYPE)} {_PAYLOAD_TYPE} {len(self.payload)} "
        return head.encode("ascii") + self.payload

    @property
    def certificates(self) -> Sequence[bytes]:
        """The certificates of the method "certificate" in DER: the signer's first."""
        chain = field(self.material, "x509CertificateChain", dict)
        certificates = field(chain, "certificates", list)
        if not certificates:
            raise SignatureError("the signature has no certificate")
        return [decoded(field(each, "rawBytes", str), "rawBytes") for each in certificates]


def strict_json(text: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object in UTF-8 in which no name occurs twice.

    Raises:
        SignatureError: It is something else.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    try:
        document = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SignatureError(f"{what} is not valid JSON: {reason}") from None
    if not isinstance(document, dict):
        raise SignatureError(f"{what} is not a JSON object")
    return document


def field(document: object, name: str, kind: type | tuple[type, ...]) -> Any:
    """A field of a JSON object.

    Raises:
        SignatureError: It is missing, or of another type.
    """
    value = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise SignatureError(f"the signature has no valid {name!r}")
    return value


def decoded(text: str, name: str) -> bytes:
    """Decode base64.

    Raises:
        SignatureError: It is damaged.
    """
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise SignatureError(f"the signature's {name!r} is not valid base64") from None
