"""Parse storage URIs into a `Location`. No I/O.

    s3://bucket/key                                  also s3a://, s3n://; access point aliases as the bucket
    s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/key
                                                     also with ":" before NAME, s3-object-lambda, and
                                                     s3-outposts:…:outpost/ID/accesspoint/NAME
    gs://bucket/key                                  also gcs://
    azure://container/key                            also az://, abfs://, abfss://, wasb://, wasbs://; the account comes
                                                     from the configuration
    abfss://container@ACCOUNT.dfs.core.windows.net/key
                                                     also with the other schemes, and the hosts of the next form
    https://ACCOUNT.blob.core.windows.net/container/key[?SAS]
                                                     also .dfs., .privatelink.blob., ACCOUNT-secondary, -ipv6,
                                                     -dualstack, DNS zone endpoints and the sovereign clouds
    https://ACCOUNT.file.core.windows.net/share/path[?SAS]
                                                     a file share; the same variants of the host
    pvc://claim/path
    modelscope://owner/name[:revision][/path]        "@" instead of ":" as in hf://
    https://host/owner/repository.git[#revision]     a Git repository
    git+https://host/owner/repository[.git[/path]][#revision]
                                                     "//" before the path if the name does not end in .git; git+http
    webhdfs://namenode:9870/path                     also swebhdfs://, over TLS; hdfs://path where the configuration
                                                     names the namenode, as in KServe
    hf://[datasets/|spaces/]owner/name[@revision][/path]
                                                     ":" instead of "@" as in KServe; hf://name[:revision][/path]
                                                     without an owner
    oci://registry/repository[:tag|@digest][/path]   the path only after a tag or digest; Docker Hub without a registry
    http://[user:password@]host[:port]/path[?query]  also https://
    file:///path                                     also file:/path; percent-encoded
    /path, ./path, path                              a local path; ".." is resolved lexically, as in aws and rclone,
                                                     without following symbolic links

Keys of s3, gs, azure, pvc, hf, modelscope, oci and hdfs are verbatim: nothing is decoded, and "?" and "#" are part of
the key. The path and query of http and https URLs are sent to the server unchanged. In a revision, %2F is a slash: the
branch "feature/x" is written @feature%2Fx. A plain slash ends the revision, unless the hub has no such revision; then
the hub's branches and tags decide where it ends. Connections to Azure always use TLS, whichever scheme is used.
Credentials in a URI are rejected, except for an Azure SAS, other signed queries, and user:password@ of http and https
URLs. They are never shown in errors or logs.
"""

import os
import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from .errors import InvalidURI
from .uris.buckets import parse_bucket, parse_s3
from .uris.location import Location
from .uris.paths import parse_file, parse_path
from .uris.redaction import redacted
from .uris.urls import parse_url

__all__ = [
    "AZURE_URI_FORMAT",
    "GCS_URI_FORMAT",
    "GIT_URI_FORMAT",
    "HDFS_URI_FORMAT",
    "HF_URI_FORMAT",
    "HTTP_URI_FORMAT",
    "LOCAL_URI_FORMAT",
    "MODELSCOPE_URI_FORMAT",
    "OCI_URI_FORMAT",
    "PVC_URI_FORMAT",
    "S3_URI_FORMAT",
    "SUPPORTED_PROTOCOLS",
    "Location",
    "get_storage_spec",
    "is_local",
    "parse",
    "service_of",
]

S3_URI_FORMAT = "s3://bucket-name/path/to/model/"
GCS_URI_FORMAT = "gs://bucket-name/path/to/model/"
AZURE_URI_FORMAT = "azure://container-name/path/to/model/"
PVC_URI_FORMAT = "pvc://pvc-name/path/to/model/"
LOCAL_URI_FORMAT = "file:///path/to/model/"
HTTP_URI_FORMAT = "https://example.com/model.tar.gz"
HF_URI_FORMAT = "hf://username/model-name"
MODELSCOPE_URI_FORMAT = "modelscope://username/model-name"
GIT_URI_FORMAT = "https://example.com/owner/repository.git"
HDFS_URI_FORMAT = "webhdfs://namenode:9870/path/to/model/"
OCI_URI_FORMAT = "oci://registry.example.com/team/model:tag"

SUPPORTED_PROTOCOLS = {
    "s3": "Amazon S3 and S3-compatible storage",
    "gs": "Google Cloud Storage",
    "azure": "Azure Blob Storage",
    "pvc": "Kubernetes Persistent Volume Claims",
    "file": "Local filesystem",
    "http": "HTTP/HTTPS downloads",
    "https": "Secure HTTP downloads",
    "hf": "HuggingFace Hub models",
    "modelscope": "ModelScope models",
    "git+https": "Git repositories",
    "git+http": "Git repositories without TLS",
    "hdfs": "HDFS at a configured namenode",
    "webhdfs": "HDFS through WebHDFS",
    "swebhdfs": "HDFS through WebHDFS over TLS",
    "oci": "Images and artifacts in container registries",
}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# A URI with a missing slash, which would otherwise silently be a local path.
_MISSING_SLASH = r"([A-Za-z][A-Za-z0-9+.-]*):(?!//)(.*)"
# Schemes whose names need not be UTF-8; web servers may be asked for any name.
_UNDECODED_BYTES = dict.fromkeys(("file", "pvc", "s3"), "surrogateescape") | dict.fromkeys(
    ("http", "https"), "surrogatepass"
)
# Schemes in which the scheme alone is the root of one file system.
_ROOTS = {"file", "hdfs", "webhdfs", "swebhdfs"}
# Schemes of Hadoop and fsspec.
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


def parse(text: str | os.PathLike[str]) -> Location:
    """Parse a storage URI or a local path.

    Args:
        text: URI or path; the module docstring lists the forms. A path may be an `os.PathLike`, such as a `Path`.

    Returns:
        The location.

    Raises:
        InvalidURI: The URI is not valid; the message gives the reason.

    Example:
        >>> parse("s3://ml-models/iris/model.joblib")
        Location(scheme='s3', root='ml-models', key='iris/model.joblib', account=None, revision=None, kind='models')
    """
    if isinstance(text, os.PathLike):
        text = os.fspath(text)
    if not isinstance(text, str):
        raise InvalidURI(f"a storage URI must be a str or a path, not {type(text).__name__}")
    if not text:
        raise InvalidURI("the storage URI is empty", hint="for example s3://bucket/path")
    text = text if text.isascii() else _decoded(text)
    if "\0" in text:
        raise InvalidURI("a storage URI cannot contain a NUL character", uri=repr(redacted(text)))
    location = _parse(text)
    if not text.isascii():
        _check_encoding(location, text)
    return location


def _parse(text: str) -> Location:
    matched = _SCHEME.fullmatch(text)
    if matched is None:
        return _without_authority(text)
    scheme = _ALIASES.get(matched[1].lower(), matched[1].lower())
    rest = matched[2]
    match scheme:
        case "s3":
            return parse_s3(text, rest)
        case "gs" | "pvc":
            return parse_bucket(scheme, text, rest)
        case "azure":
            from .uris.azure import parse_azure  # noqa: PLC0415 - as below, a call parses one or two schemes

            return parse_azure(text, rest)
        case "hf":
            from .uris.hub import parse_hub  # noqa: PLC0415

            return parse_hub(text, rest)
        case "modelscope":
            from .uris.modelscope import parse_modelscope  # noqa: PLC0415

            return parse_modelscope(text, rest)
        case "hdfs" | "webhdfs" | "swebhdfs":
            from .uris.hdfs import parse_hdfs  # noqa: PLC0415

            return parse_hdfs(scheme, text, rest)
        case "oci":
            from .uris.oci import parse_oci  # noqa: PLC0415

            return parse_oci(text, rest)
        case "file":
            return parse_file(text, rest)
        case "http" | "https" | "git+https" | "git+http":
            return parse_url(text)
    known = ", ".join(f"{name}://" for name in SUPPORTED_PROTOCOLS)
    raise InvalidURI(f"unknown scheme {scheme}://", hint=f"one of {known} or a local path", uri=redacted(text))


def service_of(text: str) -> str | None:
    """The scheme of a URI that names a whole service, such as "s3://"; None: another URI, or a path.

    Example:
        >>> service_of("gcs://"), service_of("s3://bucket")
        ('gs', None)
    """
    matched = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*):///?", text)
    scheme = matched[1].lower() if matched else ""
    scheme = _ALIASES.get(scheme, scheme)
    return scheme if scheme in SUPPORTED_PROTOCOLS.keys() - _ROOTS else None


def _check_encoding(location: Location, text: str) -> None:
    """Check that a key can be sent. Lone surrogates stand for bytes, which only some storages accept in names."""
    try:
        location.key.encode(errors=_UNDECODED_BYTES.get(location.scheme, "strict"))
    except UnicodeEncodeError:
        raise InvalidURI("the name is not UTF-8", hint="check its encoding", uri=repr(redacted(text))) from None


def _decoded(text: str) -> str:
    """A URI from the command line or the environment that Python has not decoded as UTF-8, but for example as ASCII."""
    if (matched := _SCHEME.fullmatch(text)) is not None and matched[1].lower() != "file":
        with suppress(UnicodeError):  # it has no such characters, or is not UTF-8
            if any("\udc80" <= character <= "\udcff" for character in text):
                return os.fsencode(text).decode()
    return text


def _without_authority(text: str) -> Location:
    """Parse a local path, or a file URI in its short form: https://www.rfc-editor.org/rfc/rfc8089#appendix-B."""
    short = re.fullmatch(_MISSING_SLASH, text, re.DOTALL)
    scheme = short[1].lower() if short else ""
    if short is None or scheme not in {*SUPPORTED_PROTOCOLS, *_ALIASES}:
        return parse_path(text)
    if scheme == "file" and short[2].startswith("/"):
        return parse_file(text, short[2])
    hint = f"{scheme}://…, or ./{scheme}:… for a local file"
    raise InvalidURI(f"a slash is missing after {scheme}:", hint=hint, uri=f"{scheme}:…")


def is_local(uri: str | os.PathLike[str]) -> bool:
    """Check whether a URI is a local path: a plain path, `file://` or `pvc://`.

    Args:
        uri: Storage URI or path.

    Raises:
        InvalidURI: Not a valid storage URI.

    Example:
        >>> is_local("pvc://models/iris"), is_local("s3://models/iris")
        (True, False)
    """
    return parse(uri).scheme in {"file", "pvc"}


def get_storage_spec(uri: str | os.PathLike[str]) -> dict[str, Any]:
    """Split a URI into its components.

    Args:
        uri: Storage URI or path.

    Returns:
        `type` (the scheme), `path`, and components that depend on the scheme: `bucket` (s3, gs), `container` or `share`
        and, if present in the URI, `account` (azure), `pvc_name` (pvc), `host` and `port` (http, https), `repo_id`,
        `repo_type` and `revision` (hf), `repo_id` and `revision` (modelscope), `repo_url` and `revision` (git+https,
        git+http), `namenode`, which may be None (hdfs, webhdfs, swebhdfs), `registry`, `repository` and `revision`, a
        tag or digest (oci). The `path` of a file is absolute.

    Raises:
        InvalidURI: Not a valid storage URI.

    Example:
        >>> get_storage_spec("s3://ml-models/iris/")
        {'type': 's3', 'bucket': 'ml-models', 'path': 'iris/'}
    """
    location = parse(uri)
    match location.scheme:
        case "s3" | "gs":
            components: dict[str, Any] = {"bucket": location.root}
        case "azure":
            from .uris.azure import account_host  # noqa: PLC0415

            account = account_host(location.account or "")
            root = "share" if account and account.is_files else "container"
            components = {root: location.root} | ({"account": account.name} if account else {})
        case "pvc":
            components = {"pvc_name": location.root}
        case "hf":
            kind = location.kind.removesuffix("s")
            components = {"repo_id": location.root, "repo_type": kind, "revision": location.revision}
        case "modelscope":
            components = {"repo_id": location.root, "revision": location.revision}
        case "git+https" | "git+http":
            components = {"repo_url": location.root, "revision": location.revision}
        case "hdfs" | "webhdfs" | "swebhdfs":
            components = {"namenode": location.root or None}
        case "oci":
            from .uris.oci import registry_and_repository  # noqa: PLC0415

            registry, repository = registry_and_repository(location.root)
            revision = location.revision or "latest"
            components = {"registry": registry, "repository": repository, "revision": revision}
        case "http" | "https":
            url = urlsplit(location.root)
            components = {"host": url.hostname, "port": url.port or (443 if location.scheme == "https" else 80)}
        case _:
            components = {}
    path = f"/{location.key}" if location.scheme == "file" else location.key
    return {"type": location.scheme, **components, "path": path}
