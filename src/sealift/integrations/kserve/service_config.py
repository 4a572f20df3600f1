"""The configuration of a model's service, where the pod's environment is not sufficient."""

import base64
import json
import os
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from ...config import AzureConfig, GCSConfig, GitConfig, HTTPConfig, StorageConfig
from ...errors import InvalidConfig
from ...uri import Location
from .logs import logger

__all__ = ["service_config", "without_userinfo"]

_HEADERS = "-headers"
_AZURE_CREDENTIALS = (
    "AZURE_CLIENT_ID", "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING",
)  # fmt: skip


def service_config(location: Location, environ: Mapping[str, str], userinfo: str = "") -> StorageConfig | None:
    """The configuration for a location. None: the environment is sufficient.

    Args:
        location: The model.
        environ: Translated environment, in which HOST-headers holds the HTTP headers for a host, as a JSON object.
        userinfo: "user:password" of an http or https URI, percent-encoded; "": there is none. Of that of a Git
            repository, only the user is used.

    Raises:
        InvalidConfig: A header variable is not a JSON object, or a CA bundle does not exist.
    """
    match location.scheme:
        case "s3":
            check_ca_bundle(environ)
        case "azure" if not any(environ.get(name) for name in _AZURE_CREDENTIALS):
            logger.warning("Azure credentials or shared access signature token not found, retrying anonymous access")
            return AzureConfig(anonymous=True, endpoint_url=environ.get("AZURE_STORAGE_SERVICE_ENDPOINT") or None)
        case "gs":
            key_file = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
            if key_file and not os.path.exists(key_file):
                logger.warning("The credentials file %s was not found, using anonymous access", key_file)
                return GCSConfig(anonymous=True)
        case "git+https" if userinfo:  # the password comes from GIT_PASSWORD; one in the URI is ignored
            return GitConfig(unquote(userinfo.partition(":")[0]) or None)
        case "http" | "https":
            if headers := _headers(urlsplit(location.root).hostname or "", environ, userinfo):
                return HTTPConfig(headers)
    return None


def check_ca_bundle(environ: Mapping[str, str]) -> None:
    """Check that the CA bundle for S3 exists.

    Raises:
        InvalidConfig: It does not.
    """
    bundle = environ.get("AWS_CA_BUNDLE")
    if not bundle or environ.get("S3_VERIFY_SSL") == "false":
        return
    if not os.path.exists(bundle):
        raise InvalidConfig(
            f"Failed to find ca bundle file({bundle}).", hint="check AWS_CA_BUNDLE and CA_BUNDLE_VOLUME_MOUNT_POINT"
        )
    logger.info("ca bundle file(%s) exists.", bundle)


def without_userinfo(uri: str) -> tuple[str, str]:
    """Split "user:password" off an http or https URI.

    Returns:
        The URI without it, and what was split off; "" if there is none.

    Example:
        >>> without_userinfo("https://me:secret@example.com/model.bin")
        ('https://example.com/model.bin', 'me:secret')
    """
    if not uri.startswith(("http://", "https://")):
        return uri, ""
    scheme, _, rest = uri.partition("://")
    end = min((index for index in map(rest.find, "/?#") if index >= 0), default=len(rest))
    userinfo, at, host = rest[:end].rpartition("@")
    return (f"{scheme}://{host}{rest[end:]}", userinfo) if at else (uri, "")


def _headers(host: str, environ: Mapping[str, str], userinfo: str) -> dict[str, str]:
    name = f"{host}{_HEADERS}"
    headers: dict[str, str] = {}
    if userinfo:
        token = base64.b64encode(unquote(userinfo).encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    try:
        content = json.loads(environ.get(name) or "{}") or {}
    except ValueError:  # the error of the parser quotes the text, which may hold secrets
        content = None
    if not isinstance(content, dict):
        raise InvalidConfig(f"the environment variable {name} is not a JSON object", hint='write {"Name": "value"}')
    return headers | {key: str(value) for key, value in content.items()}
