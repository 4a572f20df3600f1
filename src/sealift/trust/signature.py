"""Verify who signed a bundle: the holder of a key, of a certificate, or of an identity that Sigstore has confirmed."""

import hashlib
import tempfile
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from ..errors import InvalidConfig, SignatureError
from .bundle import Bundle, field

__all__ = ["verify_certificate", "verify_identity", "verify_key"]

# The curves of the specification, and the hash that is signed with each.
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
# What cryptography raises for a certificate that it cannot read; InvalidVersion is not a ValueError.
_UNREADABLE = (ValueError, x509.InvalidVersion)


def verify_key(bundle: Bundle, pem: bytes) -> bytes:
    """Verify a bundle with the signer's public key.

    Args:
        bundle: The bundle.
        pem: The key.

    Returns:
        The statement that was signed.

    Raises:
        InvalidConfig: The key cannot be used.
        SignatureError: The signature is by another key, or not valid.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidConfig(f"the public key cannot be read: {error}", hint="a PEM file: BEGIN PUBLIC KEY") from None
    hint = field(bundle.material, "publicKey", dict).get("hint")
    canonical = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    # Bundles of model-signing before 1.1 have the key itself instead; it says no more than the signature.
    if hint is not None and hint != hashlib.sha256(canonical).hexdigest():
        raise SignatureError("the model was signed with another key", hint="check which key its publisher uses")
    return _verify(bundle, key)


def verify_certificate(bundle: Bundle, pem: bytes, now: datetime | None = None) -> bytes:
    """Verify a bundle whose signer has a certificate.

    The chain is verified as in https://www.rfc-editor.org/rfc/rfc5280, and all certificates must be valid now.

    Args:
        bundle: The bundle.
        pem: Certificates of the trusted authorities.
        now: The time. None: the current one.

    Returns:
        The statement that was signed.

    Raises:
        InvalidConfig: The trusted certificates cannot be used.
        SignatureError: No trusted authority has certified the signer, or the signature is not valid.
    """
    try:
        roots = Store(x509.load_pem_x509_certificates(pem))
    except _UNREADABLE as error:
        hint = "a PEM file: BEGIN CERTIFICATE"
        raise InvalidConfig(f"the trusted certificates cannot be read: {error}", hint=hint) from None
    try:
        signer, *others = map(x509.load_der_x509_certificate, bundle.certificates)
    except _UNREADABLE as error:
        raise SignatureError(f"a certificate in the signature cannot be read: {error}") from None
    authorities, anyone = ExtensionPolicy.webpki_defaults_ca(), ExtensionPolicy.permit_all()
    policy = PolicyBuilder().store(roots).time(now or datetime.now(UTC))
    policy = policy.extension_policies(ca_policy=authorities, ee_policy=anyone)
    try:
        policy.build_client_verifier().verify(signer, others)
    except (VerificationError, ValueError) as error:
        cause = f"the signer's certificate is not trusted: {error}"
        raise SignatureError(cause, hint="check the validity dates, and the trusted certificates") from None
    if not _may_sign(signer):
        raise SignatureError("the signer's certificate is not for signatures")
    return _verify(bundle, signer.public_key())


def verify_identity(bundle: Bundle, identity: str, issuer: str, trust_root: bytes | None) -> bytes:
    """Verify a bundle that was signed without a key of its own, through Sigstore.

    Args:
        bundle: The bundle.
        identity: The signer's email address, or the URI of a workflow.
        issuer: The URL of the provider that has confirmed it.
        trust_root: Sigstore's trusted root, JSON. None: that of the public service, which sigstore downloads.

    Returns:
        The statement that was signed.

    Raises:
        InvalidConfig: The package sigstore is missing, or the trusted root cannot be read.
        SignatureError: The signature is by somebody else, is not in the transparency log, or not valid.
    """
    try:
        import sigstore.errors  # noqa: PLC0415 - optional
        import sigstore.models  # noqa: PLC0415
        from sigstore.verify import Verifier, policy  # noqa: PLC0415
    except ImportError:
        raise InvalidConfig("a keyless signature needs a package", hint="pip install 'sealift[sigstore]'") from None
    field(bundle.material, "certificate", dict)
    if not field(bundle.material, "tlogEntries", list):
        raise SignatureError("the signature is not in a transparency log")
    try:
        if trust_root is None:
            verifier = Verifier.production()
        else:
            with tempfile.NamedTemporaryFile(prefix="sealift-", suffix=".json") as file:  # sigstore reads files only
                file.write(trust_root)
                file.flush()
                verifier = Verifier(trusted_root=sigstore.models.TrustedRoot.from_file(file.name))
    except (ValueError, sigstore.errors.Error) as error:
        raise InvalidConfig(f"Sigstore's trusted root cannot be used: {error}", hint="trust_root=…") from None
    try:
        read = sigstore.models.Bundle.from_json(bundle.text)
        _, payload = verifier.verify_dsse(read, policy.Identity(identity=identity, issuer=issuer))
    except (ValueError, sigstore.errors.Error) as error:
        raise SignatureError(f"Sigstore does not confirm the signature: {error}") from None
    if payload != bundle.payload:
        raise SignatureError("the signature is of another statement")
    return bundle.payload


def _verify(bundle: Bundle, key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        kind = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
        hint = "P-256, P-384 and P-521 are supported"
        raise InvalidConfig(f"keys of the type {kind} cannot sign models", hint=hint)
    try:
        key.verify(bundle.signature, bundle.signed_bytes, ec.ECDSA(_HASHES[key.curve.name]))
    except InvalidSignature:
        raise SignatureError(
            "the signature is not valid: the statement was changed, or another key has signed"
        ) from None
    return bundle.payload


def _may_sign(certificate: x509.Certificate) -> bool:
    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            return True
    except x509.ExtensionNotFound:
        pass
    try:
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return x509.oid.ExtendedKeyUsageOID.CODE_SIGNING in usages
