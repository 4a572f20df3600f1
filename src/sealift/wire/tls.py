"""TLS: CA certificates, SSL contexts and the errors of a failed handshake."""

import os
import ssl
from collections.abc import Mapping

from ..errors import InvalidConfig, TransportError
from .message import TLS, Origin

__all__ = ["CERTIFICATE_VARIABLES", "ca_paths", "create_context", "handshake_error"]

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", *_BUNDLES)
"""Environment variables that name the certificates to trust."""


def ca_paths(environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """CA file and CA directory to trust, as an environment names them.

    That is `SSL_CERT_FILE` and `SSL_CERT_DIR`, or else `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE`, a file or a directory.
    If none is set and the system has no certificates, as in a slim container, those of the package certifi are used.

    Returns:
        Both None if the process environment has the same values: OpenSSL reads it by itself.
    """
    paths = ssl.get_default_verify_paths()
    names = (paths.openssl_cafile_env, paths.openssl_capath_env)
    file, directory = ((environ.get(name) or None) for name in names)
    bundle = next((environ[name] for name in _BUNDLES if environ.get(name)), None)
    if bundle is not None and file is None and directory is None:
        return _file_or_directory(bundle)
    if file is None and directory is None and not _has_certificates(paths.openssl_cafile, paths.openssl_capath):
        return _certifi(), None
    if (file, directory) == tuple((os.environ.get(name) or None) for name in names):
        return None, None
    if file is None and os.path.exists(paths.openssl_cafile):
        file = paths.openssl_cafile
    return file, directory or paths.openssl_capath


def _file_or_directory(path: str) -> tuple[str | None, str | None]:
    return (None, path) if os.path.isdir(path) else (path, None)


def _has_certificates(file: str, directory: str) -> bool:
    try:
        return os.path.exists(file) or bool(os.listdir(directory))
    except OSError:
        return False


def _certifi() -> str | None:
    try:
        import certifi  # noqa: PLC0415 - only where the system has no certificates
    except ImportError:
        return None
    return certifi.where()


def create_context(tls: TLS, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Create the SSL context for these settings. Reads files: call it in a thread.

    Args:
        tls: Certificate verification settings.
        environ: Environment variables, used if `tls` names no CA file.

    Raises:
        InvalidConfig: The CA file or the client certificate cannot be read.
    """
    try:
        file, directory = _file_or_directory(tls.ca_file) if tls.ca_file is not None else ca_paths(environ)
        context = ssl.create_default_context(cafile=file, capath=directory)
    except OSError as error:  # includes ssl.SSLError
        raise InvalidConfig(f"cannot load the CA file {file!r}: {error.strerror or 'not a PEM file'}") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        try:
            # Without a password, a prompt on the terminal would stop the thread.
            context.load_cert_chain(tls.certificate, tls.key, password="")
        except OSError as error:
            cause = error.strerror if not isinstance(error, ssl.SSLError) else "not a certificate with its private key"
            raise InvalidConfig(f"cannot load the client certificate {tls.certificate!r}: {cause}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def handshake_error(error: Exception, origin: Origin) -> TransportError:
    """Translate an error of the TLS handshake into a TransportError."""
    where = origin.address
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(
            f"the certificate of {where} is not trusted: {error.verify_message or error.reason}",
            hint="check the host name, or set verify_ssl to a PEM file with the CA certificate",
        )
    if isinstance(error, ssl.SSLError) and error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}:
        return TransportError(f"{where} does not speak TLS", hint="is it an http:// endpoint?")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = (error.reason or "handshake failure").replace("_", " ").lower()
        return TransportError(f"the TLS handshake with {where} failed: {reason}", retryable=True)
    return TransportError(f"{where} closed the connection during the TLS handshake", retryable=True)
