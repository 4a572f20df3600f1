"""Where a redirect leads, and what may go along there. Pure."""

import string
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote, urljoin, urlsplit

from ..errors import TransportError
from .address_policy import allowed_after_redirect
from .message import Origin, Request, Response

__all__ = ["MOST_REDIRECTS", "as_target", "redirected"]

MOST_REDIRECTS = 10
_STATUSES = {301, 302, 303, 307, 308}


def as_target(text: str | bytes) -> str:
    """Path and query, or a whole URL, as a request can carry it: what is ASCII stays as it is, "%" too.

    Args:
        text: A str becomes UTF-8.

    Example:
        >>> as_target("/mod\u00e8le%20a b?{x}")
        '/mod%C3%A8le%20a%20b?{x}'
    """
    # Half of a surrogate pair, which no server knows, must not be a failure of another kind.
    return quote(text.encode(errors="surrogatepass") if isinstance(text, str) else text, safe=string.punctuation)


def redirected(
    request: Request,
    reply: Response,
    keep: Collection[str] = (),
    *,
    downgrade: bool = False,
    anywhere: bool = False,
) -> Request | None:
    """The request that follows a redirect: https://www.rfc-editor.org/rfc/rfc9110#section-15.4.

    Args:
        request: That was answered; GET or HEAD.
        reply: The answer.
        keep: Names of headers, in lower case, that may be sent to another origin than the request's. All others could
            be secrets.
        downgrade: Whether it may lead from https to http.
        anywhere: Whether it may lead to any address; else the next request's `TLS.reach` is narrower.

    Returns:
        The next request; None: this is no redirect.

    Raises:
        TransportError: It leads nowhere, or from https to http where it must not.

    Example:
        >>> asked = Request("GET", Origin.of("https://a"), "/x", [("authorization", "…"), ("range", "bytes=0-1")])
        >>> redirected(asked, Response(302, [(b"location", b"https://b/y?z")]), keep={"range"})
        Request(GET https://b/y)
    """
    location = reply.header("location")
    if reply.status not in _STATUSES or location is None:
        return None
    base = f"{request.origin.scheme}://{request.origin.netloc}{request.target}"
    try:
        # Servers send spaces and letters that should be encoded; headers are read as latin-1, so that is their bytes.
        url = urlsplit(urljoin(base, as_target(location.encode("latin-1"))))
        origin = Origin.of(url.geturl())
    except ValueError:  # an address that cannot be read; InvalidConfig is one too
        raise TransportError(f"{request.origin.address} redirects to what is no http or https URL") from None
    if (request.origin.scheme, origin.scheme) == ("https", "http") and not downgrade:
        raise TransportError(f"{request.origin.address} redirects from https to http")
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers, tls = request.headers, request.tls
    if origin != request.origin:
        headers = [each for each in headers if each[0].lower() in keep]
        tls = (
            tls
            if anywhere
            else replace(tls, allowed_addresses=allowed_after_redirect(request.origin, tls.allowed_addresses))
        )
    return replace(request, origin=origin, target=target, headers=headers, tls=tls)
