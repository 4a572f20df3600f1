"""Fake token services: the metadata services of Azure machines, and Microsoft Entra ID.

They answer the requests of the real azure-identity, which the tests run. Checked against
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference and
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import base64
import json
import ssl
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from tests.api.servers import Asked, FakeS3, Reply

SCOPE = "https://storage.azure.com/.default"
RESOURCE = "https://storage.azure.com"


def token() -> str:
    """An unsigned token, valid for an hour, that Azurite accepts."""
    now = int(time.time())
    claims = {"aud": RESOURCE, "iss": "https://sts.windows.net/t/", "iat": now, "nbf": now - 60, "exp": now + 3600}
    claims |= {"oid": "00000000-0000-0000-0000-000000000001", "tid": "00000000-0000-0000-0000-000000000002"}
    return ".".join(_encoded(part) for part in ({"alg": "none", "typ": "JWT"}, claims, {"n": time.time_ns()}))


def _encoded(part: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def answer(status: int, fields: Mapping[str, object]) -> Reply:
    return Reply(status, json.dumps(fields).encode(), {"Content-Type": "application/json; charset=utf-8"})


class TokenGiver(FakeS3):
    """A token service that speaks the protocol of `reply`.

    Args:
        reply: Builds a reply from the request, a fresh token and its lifetime in seconds.
        tls: TLS context with the server's certificate.
        first: Replies sent before the first token.
        seconds: Lifetime reported with each token.

    Attributes:
        given: All tokens issued.
    """

    def __init__(
        self,
        reply: Callable[[Asked, str, int], Reply],
        *,
        tls: ssl.SSLContext | None = None,
        first: tuple[Reply, ...] = (),
        seconds: int = 3600,
    ) -> None:
        super().__init__({}, tls=tls, instead=self._give)
        self.given: list[str] = []
        self._reply = reply
        self._first = list(first)
        self._seconds = seconds

    def _give(self, asked: Asked) -> Reply:
        if self._first:
            return self._first.pop(0)
        fresh = token()
        reply = self._reply(asked, fresh, self._seconds)
        if reply.status == 200:
            self.given.append(fresh)
        return reply


def imds(asked: Asked, fresh: str, seconds: int) -> Reply:
    """The metadata service of a virtual machine."""
    right = asked.path == "/metadata/identity/oauth2/token" and asked.headers.get("metadata") == "true"
    if not right or asked.query.get("resource") != RESOURCE or asked.query.get("api-version") != "2018-02-01":
        return answer(400, {"error": "invalid_request", "error_description": "this is not how to ask"})
    if asked.query.get("client_id") == "nobody":
        return answer(400, {"error": "invalid_request", "error_description": "Identity not found"})
    until = int(time.time()) + seconds
    told = {"access_token": fresh, "expires_in": str(seconds), "expires_on": str(until), "resource": RESOURCE}
    return answer(200, told | {"token_type": "Bearer", "not_before": str(until - seconds)})


def app_service(asked: Asked, fresh: str, seconds: int) -> Reply:
    """The metadata service of App Service and Container Apps."""
    if asked.headers.get("x-identity-header") != "the-header" or asked.query.get("resource") != RESOURCE:
        return answer(401, {"statusCode": 401, "message": "no"})
    until = int(time.time()) + seconds
    return answer(200, {"access_token": fresh, "expires_on": str(until), "resource": RESOURCE, "token_type": "Bearer"})


def entra(asked: Asked, fresh: str, seconds: int) -> Reply:
    """The token endpoint of the tenant "tenant", which accepts a secret and a federated token."""
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    secret = form.get("client_secret") == "the-client-secret"
    federated = form.get("client_assertion") == "a.kubernetes.token"
    if asked.path != "/tenant/oauth2/v2.0/token" or form.get("scope") != SCOPE or form.get("client_id") != "client":
        return answer(400, {"error": "invalid_request", "error_description": "AADSTS900144: this is not how to ask"})
    if not secret and not federated:
        told = "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1\r\nCorrelation ID: 2"
        return answer(401, {"error": "invalid_client", "error_description": told})
    return answer(200, {"token_type": "Bearer", "expires_in": seconds, "access_token": fresh})
