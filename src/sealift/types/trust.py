"""Who must have signed a model for a download to accept it."""

import os
import re
from dataclasses import field
from typing import Literal

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass

__all__ = ["Trust"]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Trust:
    """What a downloaded model is compared with: a signature of the OpenSSF, or the digest of one file.

    A signature is a bundle as the package `model-signing` writes it (https://github.com/ossf/model-signing-spec). It is
    verified before anything is downloaded. Then exactly the files that it lists are fetched, their digests are compared
    while they arrive, and nothing gets its name that differs.

    Args:
        signature: URI or path of the bundle.
        key: The signer's public key: URI or path of a PEM file, or its content. For bundles of the method "key".
        certificate_chain: Certificates of the authorities that may have certified the signer: URI or path of a PEM
            file, or its content. For bundles of the method "certificate".
        identity: The signer of a keyless signature: an email address, or the URI of a workflow. Needs
            `sealift[sigstore]`.
        issuer: The URL of the OpenID Connect provider that has confirmed the identity.
        trust_root: URI or path of Sigstore's trusted root, a JSON file, or its content; then no network is needed.
            None: the root of the public service, which the package sigstore downloads.
        digest: "sha256:" and 64 hex digits: what the SHA-256 of the object must be, before it is unpacked.
        mode: "enforce": a model that is not as it was signed is an error, and nothing is published. "warn": it is
            downloaded as usual, and a warning of the logger `sealift.trust` says what is wrong.

    Raises:
        InvalidConfig: The arguments do not say how to verify the signature, or contradict each other.

    Example:
        >>> Trust("s3://models/llama/model.sig", key="/etc/keys/release.pub").mode
        'enforce'
        >>> Trust(digest="sha256:" + 64 * "0").signature is None
        True
    """

    signature: str | os.PathLike[str] | None = None
    key: str | bytes | os.PathLike[str] | None = field(default=None, repr=False)
    certificate_chain: str | bytes | os.PathLike[str] | None = field(default=None, repr=False)
    identity: str | None = None
    issuer: str | None = None
    trust_root: str | bytes | os.PathLike[str] | None = field(default=None, repr=False)
    digest: str | None = None
    mode: Literal["enforce", "warn"] = "enforce"

    def __post_init__(self) -> None:
        if self.mode not in {"enforce", "warn"}:
            raise InvalidConfig(f"mode={self.mode!r} is not 'enforce' or 'warn'")
        keyless = self.identity is not None or self.issuer is not None or self.trust_root is not None
        given = [self.key is not None, self.certificate_chain is not None, keyless]
        if self.digest is not None:
            if not isinstance(self.digest, str) or not _DIGEST.fullmatch(self.digest):
                raise InvalidConfig(f"digest={self.digest!r} is not 'sha256:' and 64 lower-case hex digits")
            if self.signature is not None or any(given):
                raise InvalidConfig(
                    "digest and signature exclude each other", hint="the signature has digests of files"
                )
        elif self.signature is None:
            raise InvalidConfig("Trust has neither a signature nor a digest", hint="Trust('…/model.sig', key=…)")
        elif sum(given) != 1:
            hint = "pass one of them: key, certificate_chain, or identity and issuer"
            raise InvalidConfig(
                "Trust does not say who must have signed" if not any(given) else "Trust names several kinds of signers",
                hint=hint,
            )
        elif keyless and (not self.identity or not self.issuer):
            raise InvalidConfig("a keyless signature needs identity and issuer", hint="Trust(…, identity=…, issuer=…)")
