"""Sign in with Kerberos (SPNEGO): https://www.rfc-editor.org/rfc/rfc4559. Needs `sealift[kerberos]`."""

import base64

from ...config import HDFSConfig
from ...errors import AccessDenied, UnsupportedOperation

__all__ = ["negotiate"]


def negotiate(host: str, config: HDFSConfig) -> str:
    """Return the Authorization header for the first request to a namenode; blocks.

    Args:
        host: Host name of the namenode; the service is HTTP/HOST.
        config: `keytab` and `principal` apply; without them, the tickets of `kinit` are used.

    Raises:
        UnsupportedOperation: The package pyspnego is not installed, or its libraries are not.
        AccessDenied: There is no valid ticket, or the keytab is not accepted.
    """
    try:
        import spnego  # noqa: PLC0415 - an extra
        from krb5 import Krb5Error  # noqa: PLC0415 - it is not a SpnegoError: a keytab that cannot be used
        from spnego.exceptions import SpnegoError  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(error) from None
    credential = None
    if config.keytab is not None:
        credential = spnego.KerberosKeytab(keytab=str(config.keytab), principal=config.principal)
    try:
        context = spnego.client(credential, hostname=host, service="HTTP", protocol="kerberos")
        token = context.step()
    except ImportError as error:  # of the libraries that it needs
        raise _not_installed(error) from None
    except (SpnegoError, Krb5Error) as error:
        cause = f"Kerberos gives no ticket for HTTP/{host}: {error}"
        raise AccessDenied(cause, hint="check HDFSConfig(principal=…, keytab=…), or run kinit") from None
    return f"Negotiate {base64.b64encode(token or b'').decode()}"


def _not_installed(error: ImportError) -> UnsupportedOperation:
    hint = 'python -m pip install "sealift[kerberos]"'
    return UnsupportedOperation(f"Kerberos needs the package pyspnego with its libraries: {error}", hint=hint)
