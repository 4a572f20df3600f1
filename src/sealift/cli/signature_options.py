"""The options of `cp` and `verify` that say who must have signed a model."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from ..types.trust import Trust
from .option_groups import GroupedOption

__all__ = ["chosen_trust", "signature_options"]

F = TypeVar("F", bound=Callable[..., Any])

_option = partial(click.option, cls=GroupedOption, heading="Signatures")
_OPTIONS = (
    _option("--signature", metavar="URI", help="Bundle of the model's OpenSSF signature, such as …/model.sig."),
    _option("--public-key", metavar="URI", help="The signer's public key, a PEM file."),
    _option("--certificate-chain", metavar="URI", help="PEM file of the authorities that may certify the signer."),
    _option("--identity", metavar="NAME", help="The signer of a keyless signature: an email address, or a URI."),
    _option("--issuer", metavar="URL", help="The identity's OpenID Connect provider."),
    _option("--trust-root", metavar="URI", help="Sigstore's trusted root, a JSON file.  [default: the public one]"),
)


def signature_options(command: F) -> F:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_trust(
    signature: str | None,
    public_key: str | None,
    certificate_chain: str | None,
    identity: str | None,
    issuer: str | None,
    trust_root: str | None,
) -> Trust | None:
    """What the options ask for; `None` without any. An empty value counts: it may be a variable that is not set.

    Raises:
        InvalidConfig: They contradict each other.
    """
    if {signature, public_key, certificate_chain, identity, issuer, trust_root} == {None}:
        return None
    return Trust(
        signature,
        key=public_key,
        certificate_chain=certificate_chain,
        identity=identity,
        issuer=issuer,
        trust_root=trust_root,
    )
