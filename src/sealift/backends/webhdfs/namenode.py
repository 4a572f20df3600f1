"""Requests to the namenodes of a cluster, and to the datanodes to which they redirect.

https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from urllib.parse import quote, urlencode, urlsplit

from ...config import HDFSConfig
from ...errors import StorageError, TransportError
from ...instance import Instance
from ...lane_contract import Sink
from ...wire import TLS, Expectation, Origin, Request, Response, StreamedResponse
from ...wire.connection_errors import CannotConnectError
from ...wire.redirect import MOST_REDIRECTS, redirected, too_many_redirects
from . import replies

__all__ = ["Namenode"]

# Headers that are sent to datanodes, too.
_FORWARDED = frozenset({"accept-encoding", "user-agent"})


class Namenode:
    """Sends requests to the active namenode of a cluster.

    Of several, one is active. If it cannot be reached, or says that it is not the active one, the next one is asked.

    Args:
        urls: Their addresses.
        config: The credentials. Secrets and headers are sent to these addresses only.
        instance: Provides connections.

    Attributes:
        instance: The instance.
        origins: The origins of the addresses.
    """

    def __init__(self, urls: Sequence[str], config: HDFSConfig, instance: Instance) -> None:
        self.instance = instance
        self.origins = tuple(Origin.of(url) for url in urls)
        self._paths = [urlsplit(url).path.rstrip("/") for url in urls]
        self._config = config
        self._tls = replace(
            TLS.of(config.verify_ssl),
            certificate=None if config.client_certificate is None else str(config.client_certificate),
            key=None if config.client_key is None else str(config.client_key),
        )
        self._headers = [("user-agent", instance.user_agent), ("accept-encoding", "identity")]
        self._headers += [(name.lower(), value) for name, value in config.headers.items()]
        self._active = 0
        self._token = config.delegation_token
        self._signing_in = asyncio.Lock()

    async def ask(self, operation: str, path: str, **parameters: str) -> Response:
        """Send a request whose response is small.

        Args:
            operation: The operation, such as "GETFILESTATUS".
            path: Absolute path of the file or directory.
            parameters: Parameters of the operation.

        Raises:
            StorageError: The namenode, or the datanode to which it redirects, returned an error.
        """
        reply = await self._exchange(self.instance.wire.send, operation, path, parameters)
        if reply.status != 200:
            raise replies.error(reply, path)
        return reply

    async def fetch(self, path: str, start: int, into: memoryview | Sink) -> None:
        """Receive a range of a file. Which version it is must be checked afterwards.

        Args:
            path: Absolute path of the file.
            start: Offset of the first byte.
            into: As in `Wire.fetch`.
        """
        # The body of a range is a 200 of exactly its length, without a Content-Range.
        parameters = {"offset": str(start), "length": str(len(into))}

        def receive(request: Request) -> Awaitable[Response]:
            return self.instance.wire.fetch(request, into, Expectation(0))

        reply = await self._exchange(receive, "OPEN", path, parameters)
        if reply.status != 200:
            raise replies.error(reply, path)
        if reply.unexpected:
            cause = f"requested {parameters['length']} bytes, but received {reply.header('content-length')}"
            raise TransportError(cause, retryable=True)

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncGenerator[StreamedResponse]:
        """Stream a file. Only the caller's next try asks another namenode, if this one is not active."""
        index = self._active
        request = await self._request(index, "OPEN", path, {})
        for _ in range(MOST_REDIRECTS + 1):
            opened = False
            try:
                async with self.instance.wire.stream(request) as reply:
                    opened = True
                    if reply.status == 200:
                        yield reply
                        return
                    failure = await reply.failure()
            except CannotConnectError:
                if not opened:
                    self._next(index)
                raise
            following = _datanode(request, failure)
            if following is None:
                if replies.is_standby(failure):
                    self._next(index)
                raise replies.error(failure, path)
            request = following
        raise too_many_redirects(request)

    async def _exchange(
        self,
        once: Callable[[Request], Awaitable[Response]],
        operation: str,
        path: str,
        parameters: dict[str, str],
    ) -> Response:
        """Send a request to the active namenode, and follow its redirects."""
        renewed = False
        tried = 0
        while True:
            index, token = self._active, self._token
            request = await self._request(index, operation, path, parameters)
            tried += 1
            try:
                reply = await once(request)
            except CannotConnectError:
                if tried >= len(self.origins):
                    raise
            else:
                if replies.is_invalid_token(reply) and self._config.kerberos and not renewed:
                    renewed = True
                    tried -= 1
                    self._token = None if self._token == token else self._token
                    continue
                if tried >= len(self.origins) or not replies.is_standby(reply):
                    break
            self._next(index)
        for _ in range(MOST_REDIRECTS):
            following = _datanode(request, reply)
            if following is None:
                return reply
            request = following
            reply = await once(request)
        raise too_many_redirects(request)

    def _next(self, index: int) -> None:
        """Ask the next namenode, unless another request has found the active one meanwhile."""
        if self._active == index:
            self._active = (index + 1) % len(self.origins)

    async def _request(self, index: int, operation: str, path: str, parameters: dict[str, str]) -> Request:
        return self._unsigned(index, operation, path, [*await self._identity(index), *parameters.items()])

    def _unsigned(
        self,
        index: int,
        operation: str,
        path: str,
        parameters: Sequence[tuple[str, str]],
        headers: Sequence[tuple[str, str]] = (),
    ) -> Request:
        query = urlencode([("op", operation), *parameters])
        target = f"{self._paths[index]}/webhdfs/v1{quote(path, errors='surrogatepass') or '/'}?{query}"
        return Request("GET", self.origins[index], target, [*self._headers, *headers], self._tls)

    async def _identity(self, index: int) -> list[tuple[str, str]]:
        """The parameters that say who asks."""
        config = self._config
        if config.kerberos:
            async with self._signing_in:
                if self._token is None:
                    self._token = await self._sign_in(index)
        if self._token is not None:
            return [("delegation", self._token)]
        known = [("user.name", config.user)] if config.user else []
        return known + ([("doas", config.proxy_user)] if config.proxy_user else [])

    async def _sign_in(self, index: int) -> str:
        """Get a delegation token with Kerberos, so that other requests need no tickets."""
        from .kerberos import negotiate  # noqa: PLC0415 - few clusters use it

        config = self._config
        origins = self.origins[index:] + self.origins[:index]
        failure: StorageError | None = None
        for origin in origins:
            value = await self.instance.disk.run(partial(negotiate, origin.host, config))
            parameters = [("doas", config.proxy_user)] if config.proxy_user else []
            request = self._unsigned(
                self.origins.index(origin), "GETDELEGATIONTOKEN", "/", parameters, [("authorization", value)]
            )
            try:
                reply = await self.instance.wire.send(request)
            except CannotConnectError as error:
                failure = error
                continue
            if reply.status == 200:
                return replies.delegation_token(reply)
            failure = replies.error(reply, "/")
            if not replies.is_standby(reply):
                break
        assert failure is not None  # noqa: S101 - for mypy: there is a namenode
        raise failure


def _datanode(request: Request, reply: Response) -> Request | None:
    """The request to the datanode to which a namenode redirects; None: it does not."""
    following = redirected(request, reply, _FORWARDED)
    if following is None or following.origin.host != request.origin.host:
        return following
    # On a machine that runs both, they may share a loopback address.
    return replace(following, tls=request.tls)
