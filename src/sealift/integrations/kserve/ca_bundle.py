"""The CA certificates that KServe mounts into each pod (`caBundleConfigMapName`)."""

import os
from collections.abc import Mapping

from .logs import logger
from .memory_file import memory_file

__all__ = ["CA_FILE", "global_ca_bundle", "trust_ca_bundle"]

CA_FILE = "cabundle.crt"
"""Name of the file in the ConfigMap."""

# The default of KServe's webhook: pkg/constants/constants.go
_MOUNT = "/etc/ssl/custom-certs"


def global_ca_bundle(environ: Mapping[str, str]) -> str | None:
    """Path of the mounted CA bundle. None: the cluster has none.

    Args:
        environ: Environment with `CA_BUNDLE_CONFIGMAP_NAME` and `CA_BUNDLE_VOLUME_MOUNT_POINT`.
    """
    if not environ.get("CA_BUNDLE_CONFIGMAP_NAME"):
        return None
    return os.path.join(environ.get("CA_BUNDLE_VOLUME_MOUNT_POINT") or _MOUNT, CA_FILE)


def trust_ca_bundle(environ: dict[str, str]) -> None:
    """Trust the mounted CA bundle besides the certificates that are trusted without it.

    `REQUESTS_CA_BUNDLE` takes precedence over it, and over `SSL_CERT_FILE`, as in the library requests. A bundle that
    cannot be used is ignored with a warning.

    Args:
        environ: Is changed.
    """
    if environ.get("REQUESTS_CA_BUNDLE"):
        environ.pop("SSL_CERT_FILE", None)
        environ.pop("SSL_CERT_DIR", None)
    elif bundle := global_ca_bundle(environ):
        if not os.path.exists(bundle):
            logger.warning("Global ca bundle file(%s) not found, using the default trust store.", bundle)
        elif (combined := _with_default_certificates(bundle, environ)) is not None:
            environ["SSL_CERT_FILE"] = combined


def _with_default_certificates(bundle: str, environ: Mapping[str, str]) -> str | None:
    """Path of a file with the bundle, the certificates of the system and those of the package certifi."""
    import ssl  # noqa: PLC0415 - only where there is a bundle

    paths = [environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile, _certifi(), bundle]
    try:
        contents = []
        for path in paths:
            if path and (path == bundle or os.path.exists(path)):
                with open(path, "rb") as file:
                    contents.append(file.read())
        combined = memory_file(b"\n".join(contents))
        # A single entry that is not valid makes OpenSSL reject the whole file.
        ssl.create_default_context(cafile=combined)
    except OSError as error:  # includes ssl.SSLError
        logger.warning("Global ca bundle file(%s) cannot be used, using the default trust store: %s", bundle, error)
        return None
    logger.info("Global ca bundle file(%s) is trusted besides the default trust store", bundle)
    return combined


def _certifi() -> str | None:
    try:
        import certifi  # noqa: PLC0415 - only where there is a bundle
    except ImportError:
        return None
    return certifi.where()
