"""Text → `Location`: one grammar for all schemes, without I/O.

s3://bucket/key                     verbatim: no percent-decoding, `?` and `#` belong to the key
gs://bucket/key                     verbatim
azure://container/key, az://…       verbatim; the account comes from the configuration
https://ACCOUNT.blob.core.windows.net/container/key      Azure too (and its sovereign clouds)
pvc://claim/path                    verbatim
hf://[datasets/|spaces/]owner/name[:revision][/path]     verbatim; `hf://name` for repositories without an owner
http://host[:port]/path?query       a URL; the path and the query go to the server as they stand
file:///path                        a URL: percent-encoded
/path, ./path, path                 a path of this machine
"""

import os.path
import re
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

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
_ALIASES = {"az": "azure", "gcs": "gs"}
_VERBATIM = {"s3", "gs", "azure", "pvc", "hf", *_ALIASES}
_SAFE = "/~+@:,="
# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints
_AZURE_HOST = re.compile(
    r"([a-z0-9]{3,24})(?:-secondary)?\.(?:z[0-9]{1,2}\.blob\.storage\.azure\.net"
    r"|blob\.core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net|cloudapi\.de))"
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; compatible services allow more
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
_S3_ARN = re.compile(r"(arn:[^/]+:s3[^/]*:[^/]*:accesspoint[/:][^/]+)(?:/(.*))?", re.DOTALL)
_CONTAINER = re.compile(r"\$?[a-z0-9][a-z0-9-]{1,62}|\$(root|logs|web)")
_CLAIM = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_HF_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HF_REVISION = re.compile(r"(refs/(?:pr|convert)/[^/]+|[^/]+)(?:/(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a storage: an object, or the prefix of many.

    Attributes:
        scheme: One of `SUPPORTED_PROTOCOLS`.
        root: The bucket, container, claim, repository ("owner/name"), or the origin of a URL; "/" for a path.
        key: What stands behind it, verbatim, without the separating "/"; "" for the root itself.
        account: Azure's account and host, where the URI names them.
        revision: A hub repository's branch, tag or commit, where the URI names it.
        kind: A hub repository's kind: "models", "datasets" or "spaces".
        query: A URL's query; it may be a signature, so it is never shown.
    """

    scheme: str
    root: str
    key: str = ""
    account: str | None = None
    revision: str | None = None
    kind: str = "models"
    query: str = field(default="", repr=False)

    def at(self, key: str) -> Self:
        """The same root with another key."""
        return replace(self, key=key)

    @property
    def name(self) -> str:
        """The last segment of the key: what a file of this object is called."""
        return self.key.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        """The URI, without its query."""
        match self.scheme:
            case "file":
                return "file:///" + quote(self.key, safe=_SAFE, errors="surrogateescape")
            case "http" | "https":
                return f"{self.root}/{self.key}"
            case "hf":
                kind = "" if self.kind == "models" else f"{self.kind}/"
                revision = f":{self.revision}" if self.revision else ""
                return f"hf://{kind}{self.root}{revision}" + (f"/{self.key}" if self.key else "")
            case "azure" if self.account:
                return f"https://{self.account}/{self.root}/{quote(self.key, safe=_SAFE)}"
        return f"{self.scheme}://{self.root}/{self.key}"


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
        raise InvalidURI("a storage URI cannot hold a NUL character", uri=repr(_shown(text)))
    matched = _SCHEME.fullmatch(text)
    if matched is None:
        return _path(text)
    scheme = matched[1].lower()
    scheme, rest = _ALIASES.get(scheme, scheme), matched[2]
    match scheme:
        case "s3":
            return _s3(text, rest)
        case "gs":
            return _rooted(scheme, "bucket", _BUCKET, text, rest)
        case "azure":
            return _rooted(scheme, "container", _CONTAINER, text, rest)
        case "pvc":
            return _rooted(scheme, "claim", _CLAIM, text, rest)
        case "hf":
            return _hub(text, rest)
        case "file":
            return _file(text, rest)
        case "http" | "https":
            return _url(text)
    known = ", ".join(f"{name}://" for name in SUPPORTED_PROTOCOLS)
    raise InvalidURI(f"unknown scheme {scheme}://", hint=f"one of {known} or a local path", uri=_shown(text))


def _shown(text: str) -> str:
    """A bad URI as it may be shown: without what could be a password or a signature."""
    scheme, separator, rest = text.partition("://")
    if separator and _holds_credentials(rest):
        return f"{scheme}://…"
    return text if not separator or scheme.lower() in _VERBATIM else text.partition("?")[0]


def _holds_credentials(rest: str) -> bool:
    """Whether user:password@ stands in it; a password may hold a "/", "?", "#" or "@" that should have been encoded."""
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    return "@" in authority or (":" in authority and "@" in rest)


def _s3(text: str, rest: str) -> Location:
    if arn := _S3_ARN.fullmatch(rest):
        if not re.fullmatch(r"[\x21-\x7e]+", arn[1]):
            raise InvalidURI("an ARN holds no spaces and control characters", uri=repr(text))
        return Location("s3", arn[1], arn[2] or "")
    return _rooted("s3", "bucket", _BUCKET, text, rest)


def _rooted(scheme: str, noun: str, pattern: re.Pattern[str], text: str, rest: str) -> Location:
    root, _, key = rest.partition("/")
    if not root:
        raise InvalidURI(f"the {noun}'s name is missing", hint=f"{scheme}://{noun}/path", uri=text)
    if not pattern.fullmatch(root):
        if _holds_credentials(rest):
            hint = "give them in a configuration, such as S3Config"
            raise InvalidURI("credentials do not belong in a URI", hint=hint, uri=_shown(text))
        raise InvalidURI(f"{root!r} is not the name of a {noun}", hint=f"{scheme}://{noun}/path", uri=text)
    return Location(scheme, root, key)


def _hub(text: str, rest: str) -> Location:
    form = "hf://owner/name[:revision][/path]"
    kind = "models"
    for prefix in ("models", "datasets", "spaces"):
        if rest.startswith(f"{prefix}/"):
            kind, rest = prefix, rest.removeprefix(f"{prefix}/")
            break
    head, colon, tail = rest.partition(":")
    if colon and head.count("/") <= 1:
        found = _HF_REVISION.fullmatch(tail)
        if found is None:
            raise InvalidURI("the revision behind the colon is empty", hint=form, uri=text)
        if re.search(r"[\x00-\x20\x7f]", found[1]):  # https://git-scm.com/docs/git-check-ref-format
            raise InvalidURI("a revision holds no spaces and control characters", hint=form, uri=repr(text))
        names, revision, key = head.split("/"), found[1], found[2] or ""
    else:
        names, revision = rest.split("/", 2), None
        key = names.pop() if len(names) > 2 else ""
    if len(names) == 2 and not names[1] and not key:
        names.pop()
    if "@" in names[0] or (len(names) == 1 and _holds_credentials(rest)):
        raise InvalidURI("credentials do not belong in a URI", hint="HFConfig(token=…)", uri=_shown(text))
    if not all(_HF_SEGMENT.fullmatch(name) and ".." not in name for name in names):
        raise InvalidURI(f"{'/'.join(names)!r} is not the name of a repository", hint=form, uri=text)
    return Location("hf", "/".join(names), key, revision=revision, kind=kind)


def _file(text: str, rest: str) -> Location:
    host, slash, path = rest.partition("/")
    if host not in {"", "localhost"}:
        named = "…" if _holds_credentials(rest) else repr(host)
        raise InvalidURI(f"a file URI names no host, but this one names {named}", hint="file:///path", uri=_shown(text))
    if not slash:
        raise InvalidURI("the path is missing", hint="file:///path", uri=text)
    for part in ("?", "#"):
        if part in path:
            hint = f"write {quote(part)} for a {part} in a file's name"
            raise InvalidURI(f"a file URI has no {'query' if part == '?' else 'fragment'}", hint=hint, uri=text)
    decoded = unquote(path, errors="surrogateescape")
    if "\0" in decoded:
        raise InvalidURI("a path cannot hold a NUL character", uri=text)
    return _path(f"/{decoded}")


def _path(path: str) -> Location:
    absolute = os.path.abspath(os.path.expanduser(path) if path.startswith("~") else path)
    key = absolute.lstrip("/")
    return Location("file", "/", f"{key}/" if path.endswith("/") and key else key)


def _url(text: str) -> Location:
    if bad := re.search(r"[\x00-\x20\x7f]", text):
        raise InvalidURI(f"a URL cannot hold {bad[0]!r}", hint="percent-encode it", uri=_shown(text))
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:  # its text may hold a password
        raise InvalidURI("this is not a URL: its host or port cannot be read", uri=_shown(text)) from None
    if not host:
        raise InvalidURI("the host is missing", hint=HTTP_URI_FORMAT, uri=_shown(text))
    if "@" in url.netloc:
        hint = "give them as HTTPConfig(headers={'Authorization': …})"
        raise InvalidURI("credentials do not belong in a URL", hint=hint, uri=_shown(text))
    if azure := _AZURE_HOST.fullmatch(host):
        form = f"https://{host}/container/path"
        try:
            container, key = (unquote(part, errors="strict") for part in url.path[1:].partition("/")[::2])
        except UnicodeDecodeError:
            raise InvalidURI("the names of blobs are percent-encoded UTF-8", hint=form, uri=_shown(text)) from None
        if not _CONTAINER.fullmatch(container):
            cause = f"{container!r} is not the name of a container" if container else "the container's name is missing"
            raise InvalidURI(cause, hint=form, uri=_shown(text))
        return Location("azure", container, key, account=azure[0], query=url.query)
    scheme = url.scheme.lower()
    shown_host = f"[{host}]" if ":" in host else host
    root = f"{scheme}://{shown_host}" + (f":{port}" if port is not None else "")
    return Location(scheme, root, url.path.removeprefix("/"), query=url.query)


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
            account = (location.account or "").partition(".")[0]
            own = {"container": location.root} | ({"account": account} if account else {})
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
