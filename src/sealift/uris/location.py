"""`Location`: a parsed storage URI."""

import re
from dataclasses import field, replace
from typing import Self
from urllib.parse import quote

from ..frozen_dataclass import dataclass

__all__ = ["SPECIAL_REFS", "Location"]

# Hub revisions that contain an unencoded "/", as in huggingface_hub.
SPECIAL_REFS = r"refs/(?:pr|convert)/[^/]+"
_SAFE = "/~+@:,="


@dataclass(frozen=True, slots=True)
class Location:
    """A parsed storage URI: an object, or a prefix of several objects.

    Attributes:
        scheme: One of `SUPPORTED_PROTOCOLS`.
        root: Bucket, container, file share, claim, repository ("owner/name", or its URL; of an image, with its
            registry), namenode or URL origin; "/" for a local path.
        key: The rest, verbatim, without the separating "/"; "" for the root itself.
        account: Host of the Azure storage account, if the URI names the account.
        revision: Branch, tag or commit of a repository, decoded, or tag or digest of an image, if the URI names one.
        kind: Kind of hub repository: "models", "datasets" or "spaces".
        query: Query of a URL. May be a signature, so it is never shown.
        login: User and password of a URL, percent-encoded, as in "user:password". Never shown.
    """

    scheme: str
    root: str
    key: str = ""
    account: str | None = None
    revision: str | None = None
    kind: str = "models"
    query: str = field(default="", repr=False)
    login: str = field(default="", repr=False)

    def at(self, key: str) -> Self:
        """Return the location of another key in the same root."""
        return replace(self, key=key)

    @property
    def name(self) -> str:
        """The last segment of the key: the file name of the object."""
        return self.key.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        """Return the URI without its query and login. Parsing it yields the same location, except for them."""
        match self.scheme:
            case "file":
                return "file:///" + quote(self.key, safe=_SAFE, errors="surrogateescape")
            case "http" | "https":
                return f"{self.root}/{self.key}"
            case "hf":
                kind = "" if self.kind == "models" else f"{self.kind}/"
                revision = f":{_encoded(self.revision)}" if self.revision else ""
                return f"hf://{kind}{self.root}{revision}" + (f"/{self.key}" if self.key else "")
            case "modelscope":
                quoted = (self.revision or "").replace("%", "%25").replace("/", "%2F")
                return (
                    f"modelscope://{self.root}"
                    + (f":{quoted}" if quoted else "")
                    + (f"/{self.key}" if self.key else "")
                )
            case "git+https" | "git+http":
                return _git_uri(self.root, self.key, self.revision)
            case "oci":
                revision = self.revision or ("latest" if self.key else "")
                name = self.root + (f"{'@' if ':' in revision else ':'}{revision}" if revision else "")
                return f"oci://{name}" + (f"/{self.key}" if self.key else "")
            case "azure" if self.account:
                return f"https://{self.account}/{self.root}/{quote(self.key, safe=_SAFE)}"
        return f"{self.scheme}://{self.root}/{self.key}"


def _git_uri(repository: str, key: str, revision: str | None) -> str:
    """The URI of a file in a Git repository, whose name ends with ".git", or else with an empty segment."""
    path = quote(key, safe=_SAFE, errors="surrogatepass")
    if not repository.endswith(".git"):
        path = path.replace(".git", "%2Egit")  # here the repository does not end
    between = "" if not key else "/" if repository.endswith(".git") else "//"
    return f"git+{repository}{between}{path}" + (f"#{quote(revision, safe=_SAFE)}" if revision else "")


def _encoded(revision: str) -> str:
    text = revision.replace("%", "%25")
    return text if re.fullmatch(SPECIAL_REFS, text) else text.replace("/", "%2F")
