"""Follow redirects: the next request, and which headers it may carry. The caller sends the requests."""

import string
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from ..errors import StorageError, TransportError
from .address_policy import allowed_after_redirect
from .message import Origin, Request, Response

if TYPE_CHECKING:
    from .streamed_response import StreamedResponse

__all__ = ["MOST_REDIRECTS", "as_target", "follow", "follow_stream", "redirected", "too_many_redirects"]

MOST_REDIRECTS = 10
_STATUSES = {301, 302, 303, 307, 308}


def as_target(text: str | bytes) -> str:
    """Percent-encode non-ASCII characters, spaces and control characters in a path or URL; keep the rest, also "%".

    Args:
        text: A path with its query, or a URL. A str is encoded as UTF-8.

    Example:
        >>> as_target("/mod\u00e8le%20a b?{x}")
        '/mod%C3%A8le%20a%20b?{x}'
    """
    # A lone surrogate must not raise UnicodeEncodeError here; the server will answer that the path does not exist.
    return quote(text.encode(errors="surrogatepass") if isinstance(text, str) else text, safe=string.punctuation)


def redirected(
    request: Request,
    response: Response,
    keep: Collection[str] = (),
    *,
    downgrade: bool = False,
    anywhere: bool = False,
) -> Request | None:
    """The request that follows a redirect: https://www.rfc-editor.org/rfc/rfc9110#section-15.4.

    Args:
        request: The redirected request; GET or HEAD.
        response: The response to it.
        keep: Lower-case names of headers that may be sent to another origin. All others are dropped there: they could
            be secrets.
        downgrade: Whether to allow a redirect from https to http.
        anywhere: Whether to allow any address; otherwise `TLS.allowed_addresses` of the next request is narrowed.

    Returns:
        The next request; None: the response is not a redirect.

    Raises:
        TransportError: The Location is not a valid URL, or a redirect from https to http is not allowed.

    Example:
        >>> request = Request("GET", Origin.of("https://a"), "/x", [("authorization", "…"), ("range", "bytes=0-1")])
        >>> redirected(request, Response(302, [(b"location", b"https://b/y?z")]), keep={"range"})
        Request(GET https://b/y)
    """
    location = response.header("location")
    if response.status not in _STATUSES or location is None:
        return None
    base = f"{request.origin.scheme}://{request.origin.netloc}{request.target}"
    try:
        # Servers send unencoded spaces and letters. Headers are decoded as latin-1, so this restores the bytes.
        url = urlsplit(urljoin(base, as_target(location.encode("latin-1"))))
        origin = Origin.of(url.geturl())
    except ValueError:  # malformed URL; InvalidConfig is a ValueError too
        raise TransportError(
            f"{request.origin.address} redirects to a location that is not an http or https URL"
        ) from None
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


def too_many_redirects(request: Request) -> TransportError:
    """The error for a request that would follow one redirect more than allowed."""
    return TransportError(f"{request.origin.address} redirects more than {MOST_REDIRECTS} times")


async def follow(
    request: Request, send: Callable[[Request], Awaitable[Response]], keep: Collection[str] = ()
) -> Response:
    """Send a request, and those that its redirects lead to.

    Args:
        request: The first request.
        send: Sends one request.
        keep: As in `redirected`.

    Returns:
        The response that is not a redirect.

    Raises:
        TransportError: There are too many redirects.
    """
    for _ in range(MOST_REDIRECTS + 1):
        reply = await send(request)
        following = redirected(request, reply, keep)
        if following is None:
            return reply
        request = following
    raise too_many_redirects(request)


@asynccontextmanager
async def follow_stream(
    request: Request,
    stream: Callable[[Request], AbstractAsyncContextManager["StreamedResponse"]],
    error: Callable[[Request, Response], StorageError],
    keep: Collection[str] = (),
) -> AsyncGenerator["StreamedResponse"]:
    """Stream the body of a file, or of a range of it, following redirects; the status is 200 or 206.

    Args:
        request: The first request.
        stream: Sends one request.
        error: Makes the error for another status, from the request and its response.
        keep: As in `redirected`.

    Raises:
        TransportError: There are too many redirects.
    """
    for _ in range(MOST_REDIRECTS + 1):
        async with stream(request) as reply:
            if reply.status in {200, 206}:
                yield reply
                return
            failure = await reply.failure()
        following = redirected(request, failure, keep)
        if following is None:
            raise error(request, failure)
        request = following
    raise too_many_redirects(request)
