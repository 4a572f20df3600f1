"""Get and renew the token for a repository: https://distribution.github.io/distribution/spec/auth/token/."""

import asyncio
import json
import re
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode, urlsplit

from ...config import OCIConfig
from ...errors import AccessDenied, InvalidConfig, ServiceError, TransportError
from ...instance import Instance
from ...uri import Location
from ...uris.oci import registry_and_repository
from ...wire import TLS, Origin, Request, Response
from ...wire.address_policy import allowed_after_redirect
from ...wire.service_message import with_request_ids
from .credentials import Credentials, find_credentials

__all__ = ["Authorization", "parse_challenge"]

_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """Parse a WWW-Authenticate header: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1.

    Returns:
        The scheme that is supported, "bearer" or "basic", and its parameters; ("", {}): neither.

    Example:
        >>> parse_challenge('Bearer realm="https://auth.example/token",service="registry"')
        ('bearer', {'realm': 'https://auth.example/token', 'service': 'registry'})
    """
    for scheme in ("bearer", "basic"):
        if matched := re.search(rf"(?:^|,)\s*{scheme}(?:\s+(.*)|\s*$)", header, re.IGNORECASE | re.DOTALL):
            parameters: dict[str, str] = {}
            for name, quoted, plain in _PARAMETER.findall(matched[1] or ""):
                parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
            return scheme, parameters
    return "", {}


class Authorization:
    """The Authorization header for one repository, shared by all calls of an instance with equal configurations.

    Args:
        location: The image.
        config: The caller's configuration.
        environment: The configuration of the environment.
        instance: Sends requests for tokens, and reads files.

    Attributes:
        header: Value of the header; None: requests are sent without one.
        signed_in: Whether there are credentials, as far as is known.
    """

    def __init__(self, location: Location, config: OCIConfig, environment: OCIConfig, instance: Instance) -> None:
        self.header: str | None = f"Bearer {config.token}" if config.token else None
        self.signed_in = self.header is not None
        self._registry, self._repository = registry_and_repository(location.root)
        self._config = config
        self._environment = environment
        self._environ = instance.environ
        self._instance = instance
        self._lock = asyncio.Lock()

    async def find(self) -> Credentials:
        """Return the credentials that there are now.

        Raises:
            AccessDenied: As in `find_credentials`.
        """
        find = partial(
            find_credentials, self._registry, self._repository, self._config, self._environment, self._environ
        )
        return await self._instance.disk.run(find)

    async def renew(self, reply: Response, request: Request) -> bool:
        """Get a header that satisfies the challenge of a 401.

        Args:
            reply: The response.
            request: Its request, to the registry.

        Returns:
            Whether the request should be sent again.

        Raises:
            StorageError: The token service refused the credentials, or failed.
        """
        if self._config.token:
            return False
        sent = dict(request.headers).get("authorization")
        async with self._lock:  # once for all requests
            if self.header != sent:
                return True
            scheme, parameters = parse_challenge(reply.header("www-authenticate") or "")
            credentials = await self.find()
            self.signed_in = bool(credentials)
            if scheme == "bearer" and parameters.get("realm"):
                self.header = f"Bearer {await self._request(parameters, credentials, request)}"
            elif scheme == "basic" and credentials.username:
                self.header = credentials.basic
            return self.header != sent

    async def _request(self, parameters: dict[str, str], credentials: Credentials, refused: Request) -> str:
        """Request a token from the service that the registry names."""
        realm = parameters["realm"]
        try:
            origin, url = Origin.of(realm), urlsplit(realm)
        except (InvalidConfig, ValueError):
            raise TransportError("the registry names a token service that is not an http or https URL") from None
        if origin.scheme == "http" and refused.origin.scheme == "https":
            raise TransportError(f"the registry names a token service without TLS: {origin.address}")
        tls = TLS.of(self._config.verify_ssl)
        if origin != refused.origin:
            allowed = allowed_after_redirect(refused.origin, tls.allowed_addresses)
            tls = replace(tls, allowed_addresses=allowed)
        fields = {name: parameters[name] for name in ("service", "scope") if parameters.get(name)}
        fields.setdefault("scope", f"repository:{self._repository}:pull")
        headers = [("user-agent", self._instance.user_agent), ("accept", "application/json")]
        path = url.path or "/"
        if credentials.identity_token:
            fields |= {
                "grant_type": "refresh_token",
                "client_id": "sealift",
                "refresh_token": credentials.identity_token,
            }
            headers.append(("content-type", "application/x-www-form-urlencoded"))
            request = Request("POST", origin, path + (f"?{url.query}" if url.query else ""), headers, tls)
            reply = await self._instance.wire.send(request, memoryview(urlencode(fields).encode()))
        else:
            if credentials:
                headers.append(("authorization", credentials.basic))
                fields["account"] = credentials.username
            query = "&".join(part for part in (url.query, urlencode(fields)) if part)
            reply = await self._instance.wire.send(Request("GET", origin, f"{path}?{query}", headers, tls))
        return _token(reply, origin, credentials)


def _token(reply: Response, origin: Origin, credentials: Credentials) -> str:
    if reply.status in {400, 401, 403}:
        where = f" of {credentials.source}" if credentials else ""
        cause = f"the token service {origin.address} refused the credentials{where}"
        hint = "sign in again with docker login or podman login, or check OCIConfig(username=…, password=…)"
        raise with_request_ids(AccessDenied(cause, hint=hint, status=reply.status), reply)
    if reply.status != 200:
        failure = ServiceError(
            f"the token service {origin.address} answered {reply.status}",
            status=reply.status,
            retryable=reply.is_transient,
            retry_after=reply.retry_after,
            throttled=reply.asks_for_less,
            host=reply.host,
        )
        raise with_request_ids(failure, reply)
    try:
        answer = json.loads(reply.body)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, RecursionError, AttributeError):
        token = None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ServiceError(f"the token service {origin.address} sent no token")
    return token
