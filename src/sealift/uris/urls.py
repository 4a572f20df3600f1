"""http:// and https:// URLs. Path and query are sent to the server unchanged."""

import re
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import InvalidURI
from .location import Location
from .redaction import redacted

__all__ = ["ascii_host", "parse_url"]

_FORM = "https://example.com/model.tar.gz"
# Python's IDNA 2003 maps these characters to other names than IDNA 2008, which registries and browsers use:
# https://www.unicode.org/reports/tr46/#Deviations
_DEVIATIONS = "ßς\u200c\u200d"


def ascii_host(host: str) -> str:
    """Encode a host name in ASCII for DNS (IDNA).

    Raises:
        ValueError: The name cannot be encoded, or the encoding is ambiguous.

    Example:
        >>> ascii_host("modèles.example")
        'xn--modles-5ua.example'
    """
    if host.isascii():
        return host
    if any(each in _DEVIATIONS for each in host):
        raise ValueError("the ASCII form of the host name is ambiguous")
    return host.encode("idna").decode("ascii").lower()


def parse_url(text: str) -> Location:
    """Parse a URL: a blob if the host is an Azure storage account, a Git repository, or else a file on a web server.

    Args:
        text: The URL; "git+" before it makes it a Git repository in any case.

    Raises:
        InvalidURI: Not a valid http or https URL, or it contains a login for an Azure storage account.
    """
    if bad := re.search(r"[\x00-\x20\x7f]", text):
        raise InvalidURI(f"a URL cannot contain {bad[0]!r}", hint="percent-encode it", uri=redacted(text))
    of_git = text[:4].lower() == "git+"
    try:
        url = urlsplit(text[4:] if of_git else text)
        host, _ = url.hostname, url.port
    except ValueError:  # the message may quote a password
        raise InvalidURI("not a valid URL: cannot parse the host or port", uri=redacted(text)) from None
    if not host:
        raise InvalidURI("the host is missing", hint=_FORM, uri=redacted(text))
    login, at, _ = url.netloc.rpartition("@")
    if at and (of_git or url.path.rstrip("/").endswith(".git")):
        hint = "GitConfig(username=…, password=…), or GIT_USERNAME and GIT_PASSWORD"
        raise InvalidURI("credentials do not belong in a URL of Git", hint=hint, uri=redacted(text))
    from .azure import account_host, parse_azure_url  # noqa: PLC0415 - the other schemes need neither

    host = _validated_host(text, url, host)
    account = account_host(host)
    if account is not None and account.cloud is not None and not of_git:
        if at:
            hint = "pass an AzureConfig"
            raise InvalidURI("credentials do not belong in a URL of Azure Storage", hint=hint, uri=redacted(text))
        return parse_azure_url(text, url, account)
    url_host = f"[{host}]" if ":" in host else host
    root = f"{url.scheme}://{url_host}" + (f":{url.port}" if url.port is not None else "")
    if of_git or url.path.rstrip("/").endswith(".git"):
        from .git import is_repository, parse_git  # noqa: PLC0415 - few URLs are those of repositories

        if of_git or is_repository(url):
            return parse_git(text, url, root)
    return Location(url.scheme, root, url.path.removeprefix("/"), query=url.query, login=_checked_login(text, login))


def _checked_login(text: str, login: str) -> str:
    """Return the user and the password, which `unquote` can decode."""
    try:
        unquote(login, errors="strict").encode()
    except UnicodeError:
        raise InvalidURI(
            "the user or the password is not UTF-8", hint="check its encoding", uri=redacted(text)
        ) from None
    return login


def _validated_host(text: str, url: SplitResult, host: str) -> str:
    """Return the host in ASCII; IPv6 addresses are returned unchanged."""
    if "[" in url.netloc.rpartition("@")[2]:
        return host
    try:
        host = ascii_host(host)
    except ValueError:
        hint = "write it in ASCII, as xn--…"
        raise InvalidURI("the host name cannot be written in ASCII", hint=hint, uri=redacted(text)) from None
    if not re.fullmatch(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", host):
        raise InvalidURI(f"{host!r} is not a valid host name", hint=_FORM, uri=redacted(text))
    return host
