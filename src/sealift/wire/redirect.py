"""Where a redirect leads, and what may go along there. Pure."""

from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote, urljoin, urlsplit

from ..errors import TransportError
from .message import Origin, Request, Response

__all__ = ["MOST_REDIRECTS", "redirected"]

MOST_REDIRECTS = 10
_STATUSES = {301, 302, 303, 307, 308}


def redirected(request: Request, reply: Response, keep: Collection[str] = ()) -> Request | None:
    """The request that follows a redirect: https://www.rfc-editor.org/rfc/rfc9110#section-15.4.

    Args:
        request: That was answered; GET or HEAD.
        reply: The answer.
        keep: Names of headers, in lower case, that may be sent to another origin than the request's. All others could
            be secrets.

    Returns:
        The next request; None: this is no redirect.

    Raises:
        TransportError: It leads nowhere, or from https to http.

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
        url = urlsplit(urljoin(base, location))
        origin = Origin.of(url.geturl())
    except ValueError:  # an address that cannot be read; InvalidConfig is one too
        raise TransportError(f"{request.origin.address} redirects to what is no http or https URL") from None
    if (request.origin.scheme, origin.scheme) == ("https", "http"):
        raise TransportError(f"{request.origin.address} redirects from https to http")
    # Servers send spaces and letters that have to be encoded, and what they have encoded stays as it is.
    target = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe="%/?:@!$&'()*+,;=~[]|")
    headers = request.headers if origin == request.origin else [each for each in request.headers if each[0] in keep]
    return replace(request, origin=origin, target=target, headers=headers)
