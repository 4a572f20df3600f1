"""Git repositories: https://….git, git+https://… and git+http://…, with #revision."""

import re
from urllib.parse import SplitResult, unquote

from ..errors import InvalidURI
from .location import Location
from .redaction import redacted
from .revision import decoded_revision

__all__ = ["is_repository", "parse_git"]

_FORM = "git+https://host/owner/repository.git/path#revision"


def is_repository(url: SplitResult) -> bool:
    """Whether an https URL is that of a Git repository, as in KServe: its path ends in ".git".

    Example:
        >>> from urllib.parse import urlsplit
        >>> is_repository(urlsplit("https://host/owner/name.git#main"))
        True
        >>> is_repository(urlsplit("https://www.git.example/name.gitignore"))
        False
    """
    return url.scheme == "https" and not url.query and url.path.rstrip("/").endswith(".git")


def parse_git(text: str, url: SplitResult, origin: str) -> Location:
    """Parse the URL of a repository, perhaps with the path of a file in it.

    The repository ends with the first segment that ends in ".git", or else with the first empty segment; otherwise it
    is the whole path.

    Args:
        text: The whole URI.
        url: The URL without "git+".
        origin: Scheme, host and port, as in the root of a location.

    Raises:
        InvalidURI: The URL has a query, or the path or the revision is not valid.
    """
    if url.query:
        raise InvalidURI("the URL of a Git repository has no query", hint=_FORM, uri=redacted(text))
    repository, key = _split(url.path)
    if not repository:
        raise InvalidURI("the path of the repository is missing", hint=_FORM, uri=redacted(text))
    try:
        # Names of files need not be UTF-8; `Location` writes such bytes as lone surrogates.
        path = unquote(key, errors="surrogatepass")
    except UnicodeDecodeError:
        raise InvalidURI("the path is not UTF-8", hint=_FORM, uri=redacted(text)) from None
    revision = decoded_revision(url.fragment) if url.fragment else None
    if url.fragment and revision is None:
        raise InvalidURI("the revision is not a valid Git name", hint=_FORM, uri=redacted(text).partition("#")[0])
    return Location(f"git+{url.scheme}", f"{origin}{repository}", path, revision=revision)


def _split(path: str) -> tuple[str, str]:
    """Split a path into that of the repository and that of the file in it."""
    if matched := re.fullmatch(r"(.*?\.git)(?:/(.*))?", path, re.DOTALL):
        return matched[1], matched[2] or ""
    repository, _, key = path.lstrip("/").partition("//")
    return (f"/{repository.rstrip('/')}" if repository.strip("/") else ""), key
