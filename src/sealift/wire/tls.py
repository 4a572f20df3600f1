"""Whom to trust, and what to say when a handshake fails."""

import ssl

from ..errors import InvalidConfig, TransportError
from .message import TLS, Origin

__all__ = ["context", "handshake_error"]


def context(tls: TLS) -> ssl.SSLContext:
    """The context for these settings. Reads files: call it in a thread.

    Raises:
        InvalidConfig: The file of authorities cannot be read.
    """
    try:
        made = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidConfig(
            f"the file of trusted authorities {tls.ca_file!r} cannot be used: {error.strerror or 'not a PEM file'}"
        ) from None
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    made.set_alpn_protocols(["http/1.1"])
    return made


def handshake_error(error: Exception, origin: Origin) -> TransportError:
    """The failure of a TLS handshake, in a user's words."""
    where = origin.address
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(
            f"the certificate of {where} is not trusted: {error.verify_message or error.reason}",
            hint="check the host name, or name the authority's PEM file as the verify setting",
        )
    if isinstance(error, ssl.SSLError) and error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}:
        return TransportError(f"{where} does not speak TLS", hint="is this an http:// endpoint?")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = (error.reason or "handshake failure").replace("_", " ").lower()
        return TransportError(f"TLS with {where} failed: {reason}", retryable=True)
    return TransportError(f"{where} closed the connection during the TLS handshake", retryable=True)
