"""Whom to trust, and what to say when a handshake fails."""

import os
import ssl
from collections.abc import Mapping

from ..errors import InvalidConfig, TransportError
from .message import TLS, Origin

__all__ = ["authorities", "context", "handshake_error"]


def authorities(environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The file and the directory of trusted authorities that an environment names with `SSL_CERT_FILE`, `SSL_CERT_DIR`.

    Returns:
        None twice where OpenSSL finds the same: it reads these variables of the process.
    """
    paths = ssl.get_default_verify_paths()
    names = (paths.openssl_cafile_env, paths.openssl_capath_env)
    file, directory = ((environ.get(name) or None) for name in names)
    if (file, directory) == tuple((os.environ.get(name) or None) for name in names):
        return None, None
    if file is None and os.path.exists(paths.openssl_cafile):
        file = paths.openssl_cafile
    return file, directory or paths.openssl_capath


def context(tls: TLS, environ: Mapping[str, str]) -> ssl.SSLContext:
    """The context for these settings. Reads files: call it in a thread.

    Args:
        tls: Which certificates to trust.
        environ: May name the authorities where `tls` does not.

    Raises:
        InvalidConfig: The file of authorities cannot be read.
    """
    try:
        file, directory = (tls.ca_file, None) if tls.ca_file is not None else authorities(environ)
        made = ssl.create_default_context(cafile=file, capath=directory)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidConfig(
            f"the file of trusted authorities {file!r} cannot be used: {error.strerror or 'not a PEM file'}"
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
