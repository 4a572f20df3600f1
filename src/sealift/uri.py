"""Storage URIs: text → `Location`, without I/O.

    s3://bucket/key                                  also s3a://, s3n://; bucket aliases of access points
    s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/key
                                                     also with ":" before NAME, s3-object-lambda, and
                                                     s3-outposts:…:outpost/ID/accesspoint/NAME
    gs://bucket/key                                  also gcs://
    azure://container/key                            also az://, abfs://, abfss://, wasb://, wasbs://; the account is
                                                     the configuration's
    abfss://container@ACCOUNT.dfs.core.windows.net/key
                                                     also by the other schemes, and with the hosts of the next form
    https://ACCOUNT.blob.core.windows.net/container/key[?SAS]
                                                     also .dfs., .privatelink.blob., ACCOUNT-secondary, -ipv6,
                                                     -dualstack, DNS zone endpoints and the sovereign clouds
    pvc://claim/path
    hf://[datasets/|spaces/]owner/name[@revision][/path]
                                                     ":" for "@" as in KServe; hf://name[:revision][/path] without owner
    http://host[:port]/path[?query]                  also https://
    file:///path                                     also file:/path; percent-encoded
    /path, ./path, path                              a path of this machine; ".." is resolved by its text, as aws and
                                                     rclone do, not along symbolic links

Keys of s3, gs, azure, pvc and hf are verbatim: nothing is decoded, "?" and "#" belong to them. The path and query of
http and https URLs go to the server unchanged. In a revision, %2F is a slash: a branch "feature/x" is @feature%2Fx. A
plain slash ends the revision; only if the hub has no such revision does its list of branches and tags decide.
Connections to Azure always use TLS, whatever the scheme is. Credentials in a URI are refused, except for an Azure SAS
and other signed queries of https URLs, which no error or log shows.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from .addresses.azure import account_host, parse_azure
from .addresses.buckets import named, parse_s3
from .addresses.hub import parse_hub
from .addresses.location import Location
from .addresses.paths import parse_file, parse_path
from .addresses.refusal import shown
from .addresses.urls import parse_url
from .errors import InvalidURI

__all__ = [
    "AZURE_URI_FORMAT",
    "GCS_URI_FORMAT",
    "HF_URI_FORMAT",
    "HTTP_URI_FORMAT",
    "LOCAL_URI_FORMAT",
    "PVC_URI_FORMAT",
    "S3_URI_FORMAT",
    "SUPPORTED_PROTOCOLS",
    "Location",
    "get_storage_spec",
    "is_local",
    "parse",
]

S3_URI_FORMAT = "s3://bucket-name/path/to/model/"
GCS_URI_FORMAT = "gs://bucket-name/path/to/model/"
AZURE_URI_FORMAT = "azure://container-name/path/to/model/"
PVC_URI_FORMAT = "pvc://pvc-name/path/to/model/"
LOCAL_URI_FORMAT = "file:///path/to/model/"
HTTP_URI_FORMAT = "https://example.com/model.tar.gz"
HF_URI_FORMAT = "hf://username/model-name"

SUPPORTED_PROTOCOLS = {
    "s3": "Amazon S3 and S3-compatible storage",
    "gs": "Google Cloud Storage",
    "azure": "Azure Blob Storage",
    "pvc": "Kubernetes Persistent Volume Claims",
    "file": "Local filesystem",
    "http": "HTTP/HTTPS downloads",
    "https": "Secure HTTP downloads",
    "hf": "HuggingFace Hub models",
}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# A URI with a slash too few: as a path of this machine it would silently be another place.
_NEARLY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!//)(.*)", re.DOTALL)
# The schemes of Hadoop and fsspec.
_ALIASES = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "wasb": "azure",
    "wasbs": "azure",
}


def parse(text: str) -> Location:
    """Read a storage URI or a local path.

    Args:
        text: See the module's docstring for the forms.

    Returns:
        The location.

    Raises:
        InvalidURI: Says what is wrong with it.

    Example:
        >>> parse("s3://ml-models/iris/model.joblib")
        Location(scheme='s3', root='ml-models', key='iris/model.joblib', account=None, revision=None, kind='models')
    """
    if not isinstance(text, str):
        raise InvalidURI(f"a storage URI is a str, not {type(text).__name__}")
    if not text:
        raise InvalidURI("the storage URI is empty", hint="for example s3://bucket/path")
    if "\0" in text:
        raise InvalidURI("a storage URI cannot hold a NUL character", uri=repr(shown(text)))
    matched = _SCHEME.fullmatch(text)
    if matched is None:
        return _without_authority(text)
    scheme = _ALIASES.get(matched[1].lower(), matched[1].lower())
    rest = matched[2]
    match scheme:
        case "s3":
            return parse_s3(text, rest)
        case "gs" | "pvc":
            return named(scheme, text, rest)
        case "azure":
            return parse_azure(text, rest)
        case "hf":
            return parse_hub(text, rest)
        case "file":
            return parse_file(text, rest)
        case "http" | "https":
            return parse_url(text)
    known = ", ".join(f"{name}://" for name in SUPPORTED_PROTOCOLS)
    raise InvalidURI(f"unknown scheme {scheme}://", hint=f"one of {known} or a local path", uri=shown(text))


def _without_authority(text: str) -> Location:
    """A path, or a file URI in its short form: https://www.rfc-editor.org/rfc/rfc8089#appendix-B."""
    nearly = _NEARLY.fullmatch(text)
    scheme = nearly[1].lower() if nearly else ""
    if nearly is None or scheme not in {*SUPPORTED_PROTOCOLS, *_ALIASES}:
        return parse_path(text)
    if scheme == "file" and nearly[2].startswith("/"):
        return parse_file(text, nearly[2])
    hint = f"{scheme}://…, or ./{scheme}:… for a local file"
    raise InvalidURI(f"a slash is missing after {scheme}:", hint=hint, uri=f"{scheme}:…")


def is_local(uri: str) -> bool:
    """Whether a URI is a path of this machine: a plain path, `file://` or `pvc://`.

    Args:
        uri: Storage URI or path.

    Raises:
        InvalidURI: It is neither.

    Example:
        >>> is_local("pvc://models/iris"), is_local("s3://models/iris")
        (True, False)
    """
    return parse(uri).scheme in {"file", "pvc"}


def get_storage_spec(uri: str) -> dict[str, Any]:
    """Take a URI apart.

    Args:
        uri: Storage URI or path.

    Returns:
        `type` (the scheme), `path`, and the scheme's own parts: `bucket` (s3, gs), `container` and, where the URI names
        it, `account` (azure), `pvc_name` (pvc), `host` and `port` (http, https), `repo_id`, `repo_type` and `revision`
        (hf). A file's `path` is absolute.

    Raises:
        InvalidURI: It is not a storage URI.

    Example:
        >>> get_storage_spec("s3://ml-models/iris/")
        {'type': 's3', 'bucket': 'ml-models', 'path': 'iris/'}
    """
    location = parse(uri)
    match location.scheme:
        case "s3" | "gs":
            own: dict[str, Any] = {"bucket": location.root}
        case "azure":
            account = account_host(location.account or "")
            own = {"container": location.root} | ({"account": account.name} if account else {})
        case "pvc":
            own = {"pvc_name": location.root}
        case "hf":
            kind = location.kind.removesuffix("s")
            own = {"repo_id": location.root, "repo_type": kind, "revision": location.revision}
        case "http" | "https":
            url = urlsplit(location.root)
            own = {"host": url.hostname, "port": url.port or (443 if location.scheme == "https" else 80)}
        case _:
            own = {}
    path = f"/{location.key}" if location.scheme == "file" else location.key
    return {"type": location.scheme, **own, "path": path}
