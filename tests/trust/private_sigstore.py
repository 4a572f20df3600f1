"""A private instance of Sigstore: an authority for identities, a log of certificates, and a log of signatures.

It signs as Fulcio and Rekor do, and its trusted root has the form of Sigstore's:
https://github.com/sigstore/architecture-docs/blob/main/client-spec.md.
"""

import base64
import hashlib
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

__all__ = ["IDENTITY", "ISSUER", "NOW", "Log", "PrivateSigstore"]

IDENTITY, ISSUER = "release@models.example", "https://accounts.models.example"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
"""When all is signed."""

_TYPE = "application/vnd.in-toto+json"
_LIFETIME = timedelta(minutes=10)
_ORIGIN = "rekor.models.example - 1"
# https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
_ISSUER_OID = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
# https://www.rfc-editor.org/rfc/rfc6962#section-3.3
_SCT_OID = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ECDSA_SHA256 = b"\x04\x03"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class Log:
    """The key of a log.

    Attributes:
        public: The public key in DER.
        key_id: How statements of the log name it.
    """

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.key_id = hashlib.sha256(self.public).digest()

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))

    @property
    def described(self) -> dict[str, Any]:
        """The log in a trusted root."""
        return {
            "baseUrl": "https://log.models.example",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": _b64(self.public),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": "2026-01-01T00:00:00Z"},
            },
            "logId": {"keyId": _b64(self.key_id)},
        }


class PrivateSigstore:
    """The instance.

    Attributes:
        certificates: The log of certificates.
        signatures: The log of signatures.
    """

    def __init__(self) -> None:
        self.certificates, self.signatures = Log(), Log()
        self._key = ec.generate_private_key(ec.SECP384R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA384())
        )

    @property
    def trusted_root(self) -> bytes:
        """The trusted root, JSON."""
        authority = {
            "subject": {"organization": "models.example", "commonName": "authority"},
            "certChain": {"certificates": [{"rawBytes": _b64(self._root.public_bytes(serialization.Encoding.DER))}]},
            "validFor": {"start": "2026-01-01T00:00:00Z"},
        }
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self.signatures.described],
            "certificateAuthorities": [authority],
            "ctlogs": [self.certificates.described],
        }
        return json.dumps(document).encode()

    def sign(
        self,
        payload: bytes,
        *,
        identity: str = IDENTITY,
        issuer: str = ISSUER,
        at: datetime = NOW,
        certificate_log: Log | None = None,
        signature_log: Log | None = None,
        promise_log: Log | None = None,
    ) -> dict[str, Any]:
        """Sign a statement, and put the signature into the log.

        Args:
            payload: The statement.
            identity: The signer's email address.
            issuer: Who has confirmed it.
            at: When the signature is put into the log. The certificate is valid at `NOW`.
            certificate_log: Confirms that the certificate is in the log. None: the instance's.
            signature_log: Signs the checkpoint of the log. None: the instance's.
            promise_log: Signs the time of the entry. None: the instance's.

        Returns:
            The bundle, which may be changed before `json.dumps`.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certify(key.public_key(), identity, issuer, certificate_log or self.certificates)
        signed = b"DSSEv1 %d %s %d %s" % (len(_TYPE), _TYPE.encode(), len(payload), payload)
        signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        body = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                "signatures": [{"signature": _b64(signature), "verifier": _b64(pem)}],
            },
        }
        entry = self._entry(_canonical(body), at, signature_log or self.signatures, promise_log or self.signatures)
        der = certificate.public_bytes(serialization.Encoding.DER)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": _b64(der)}, "tlogEntries": [entry]},
            "dsseEnvelope": {
                "payload": _b64(payload),
                "payloadType": _TYPE,
                "signatures": [{"sig": _b64(signature)}],
            },
        }

    def _certify(self, key: ec.EllipticCurvePublicKey, identity: str, issuer: str, log: Log) -> x509.Certificate:
        """Certify an identity, with the confirmation of a log: https://www.rfc-editor.org/rfc/rfc6962#section-3.2."""
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._root.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - _LIFETIME)
            .not_valid_after(NOW + _LIFETIME)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_OID, issuer.encode()), critical=False)
        )
        logged = builder.sign(self._key, hashes.SHA384()).tbs_certificate_bytes
        authority = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        milliseconds = int(NOW.timestamp() * 1000)
        entry = hashlib.sha256(authority).digest() + struct.pack(">I", len(logged))[1:] + logged
        confirmed = log.sign(struct.pack(">BBQH", 0, 0, milliseconds, 1) + entry + b"\0\0")
        timestamp = b"\0" + log.key_id + struct.pack(">Q", milliseconds) + b"\0\0" + _ECDSA_SHA256 + _counted(confirmed)
        timestamps = _counted(_counted(timestamp))
        extension = bytes([4, len(timestamps)]) + timestamps  # an OCTET STRING of less than 128 bytes
        assert len(timestamps) < 128
        return builder.add_extension(x509.UnrecognizedExtension(_SCT_OID, extension), critical=False).sign(
            self._key, hashes.SHA384()
        )

    def _entry(self, body: bytes, at: datetime, log: Log, promise_log: Log) -> dict[str, Any]:
        """The second of two entries of the log: https://www.rfc-editor.org/rfc/rfc6962#section-2.1."""
        first, second = (hashlib.sha256(b"\0" + leaf).digest() for leaf in (b"the entry of another model", body))
        root = hashlib.sha256(b"\1" + first + second).digest()
        note = f"{_ORIGIN}\n2\n{_b64(root)}\n"
        signed_note = _b64(log.key_id[:4] + log.sign(note.encode()))
        seconds = int(at.timestamp())
        promise = {
            "body": _b64(body), "integratedTime": seconds, "logID": self.signatures.key_id.hex(), "logIndex": 1,
        }  # fmt: skip
        return {
            "logIndex": "1",
            "logId": {"keyId": _b64(self.signatures.key_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(seconds),
            "inclusionPromise": {"signedEntryTimestamp": _b64(promise_log.sign(_canonical(promise)))},
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": _b64(root),
                "treeSize": "2",
                "hashes": [_b64(first)],
                "checkpoint": {"envelope": f"{note}\n\u2014 rekor.models.example {signed_note}\n"},
            },
            "canonicalizedBody": _b64(body),
        }


def _counted(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _canonical(document: dict[str, Any]) -> bytes:
    """JSON as in https://www.rfc-editor.org/rfc/rfc8785, for documents in ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")
