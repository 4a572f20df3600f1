"""A fake of Google's token and metadata services, and a bucket that requires tokens.

`tests/api/test_gcs_credentials.py` verifies it with google-auth, which authenticates with it in each of these ways. Its
bucket follows Google's documentation where fake-gcs-server does not: access errors, pages, rewrites in steps, requester
pays.
"""

import base64
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sealift import GCSConfig
from sealift.integrity import checksums
from tests.api.servers import Asked, FakeS3, Reply

ACCOUNT = "reader@project.iam.gserviceaccount.com"
SUBJECT = "the-subject-token"
CLIENT_SECRET = "the-client-secret"
REFRESH_TOKEN = "the-refresh-token"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster"
SUBJECT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
_STORAGE = "/storage/v1/b/models/o"
_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"


class Google:
    """One server for all of it; the bucket is "models".

    Args:
        objects: Key → bytes.
        instead: Called first; may return its own reply, or None for the usual one.
        public: Whether the bucket needs no token.
        seconds: Lifetime of a token.

    Attributes:
        issued: All tokens, in order.
        revoked: Tokens that the bucket rejects.
    """

    def __init__(
        self,
        objects: Mapping[str, bytes] | None = None,
        *,
        instead: Callable[[Asked], Reply | None] = lambda asked: None,
        public: bool = False,
        seconds: int = 3600,
    ) -> None:
        self.objects = dict(objects or {})
        self.issued: list[str] = []
        self.revoked: set[str] = set()
        self._instead = instead
        self._public = public
        self._seconds = seconds
        self._numbers = itertools.count(1)
        self._server = FakeS3({}, instead=self._answer)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.__exit__(kind, error, tb)

    @property
    def endpoint(self) -> str:
        return self._server.endpoint

    @property
    def host(self) -> str:
        return self.endpoint.removeprefix("http://")

    @property
    def asked(self) -> list[Asked]:
        return self._server.asked

    def of_bucket(self) -> list[Asked]:
        """The requests for objects."""
        return [asked for asked in self.asked if _STORAGE in asked.path]

    def config(self, **more: Any) -> GCSConfig:
        return GCSConfig(endpoint_url=self.endpoint, **more)

    def private_key(self) -> str:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    # Credential files, as Google's tools write them.

    def service_account(self, path: Path, **changes: object) -> str:
        told = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": "1",
            "private_key": self.private_key(),
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": f"{self.endpoint}/token",
        }
        return _written(path, told | changes)

    def authorized_user(self, path: Path, **changes: object) -> str:
        told = {
            "type": "authorized_user",
            "client_id": "gcloud",
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
            "token_uri": f"{self.endpoint}/token",
        }
        return _written(path, told | changes)

    def external_account(self, path: Path, source: Mapping[str, object], **changes: object) -> str:
        told = {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": SUBJECT_TYPE,
            "token_url": f"{self.endpoint}/sts",
            "credential_source": source,
        }
        return _written(path, told | changes)

    def resource(self, key: str) -> dict[str, Any]:
        data = self.objects[key]
        return {
            "name": key,
            "size": str(len(data)),
            "generation": "1700000000000001",
            "timeCreated": "2026-09-01T10:20:30.123Z",
            "etag": "CKih16GjycICEAE=",
            "crc32c": base64.b64encode(bytes.fromhex(checksums.digest("crc32c", data))).decode(),
        }

    # Replies, in the thread of the server.

    def _answer(self, asked: Asked) -> Reply:
        found = self._instead(asked)
        if found is not None:
            return found
        path = unquote(asked.path)
        if path == "/token":
            return self._token(asked)
        if path == "/sts":
            return self._exchange(asked)
        if path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken":
            return self._impersonate(asked)
        if path == "/subject":
            return reply({"access_token": SUBJECT})
        if path == _METADATA:
            if asked.headers.get("metadata-flavor") != "Google":
                return Reply(403, b"Missing Metadata-Flavor:Google header.")
            answer = reply(self._grant())
            answer.headers["Metadata-Flavor"] = "Google"
            return answer
        if path.startswith(_STORAGE):
            return self._storage(asked)
        return refusal(404, "notFound", "Not Found")

    def _grant(self) -> dict[str, object]:
        self.issued.append(f"ya29.token-{next(self._numbers)}")
        return {"access_token": self.issued[-1], "expires_in": self._seconds, "token_type": "Bearer"}

    def _token(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if form.get("grant_type") == "refresh_token":
            right = {"client_id": "gcloud", "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
            if {name: form.get(name) for name in right} != right:
                return _invalid_grant("Token has been expired or revoked.")
            return reply(self._grant())
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return reply({"error": "unsupported_grant_type"}, 400)
        try:
            claims = jwt.decode(
                form["assertion"],
                self._key.public_key(),
                algorithms=["RS256"],
                audience=[f"{self.endpoint}/token", "https://oauth2.googleapis.com/token"],
                options={"require": ["aud", "exp", "iat", "iss"]},
            )
        except jwt.InvalidTokenError:
            return _invalid_grant("Invalid JWT Signature.")
        if claims["iss"] != ACCOUNT or claims["exp"] - claims["iat"] > 3600 or "/auth/" not in claims["scope"]:
            return _invalid_grant("Invalid JWT: claims.")
        return reply(self._grant())

    def _exchange(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        right = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token": SUBJECT,
            "subject_token_type": SUBJECT_TYPE,
            "audience": AUDIENCE,
        }
        if {name: form.get(name) for name in right} != right or "/auth/" not in form.get("scope", ""):
            return _invalid_grant("The given credential is rejected by the attribute condition.")
        return reply({**self._grant(), "issued_token_type": right["requested_token_type"]})

    def _impersonate(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.issued:
            return refusal(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied")
        assert "/auth/" in json.loads(asked.body)["scope"][0]
        return reply({"accessToken": self._grant()["access_token"], "expireTime": "2030-01-01T00:00:00Z"})

    def _storage(self, asked: Asked) -> Reply:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if not self._public and (token not in self.issued or token in self.revoked):
            who = "Invalid Credentials" if token else "Anonymous caller does not have storage.objects.get access."
            return refusal(401, "authError" if token else "required", who)
        if asked.path == _STORAGE:
            return reply({"items": [self.resource(key) for key in sorted(self.objects)]})
        key = unquote(asked.path).removeprefix(f"{_STORAGE}/")
        if key not in self.objects:
            return refusal(404, "notFound", f"No such object: models/{key}")
        if asked.query.get("alt") == "media":
            return self._media(key, asked.headers.get("range"))
        return reply(self.resource(key))

    def _media(self, key: str, wanted: str | None) -> Reply:
        data, told = self.objects[key], {"X-Goog-Generation": self.resource(key)["generation"]}
        if wanted is None:
            return Reply(200, data, told)
        first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        return Reply(206, data[first : last + 1], told | {"Content-Range": f"bytes {first}-{last}/{len(data)}"})


def reply(told: object, status: int = 200) -> Reply:
    """A JSON reply."""
    return Reply(status, json.dumps(told).encode(), {"Content-Type": "application/json; charset=UTF-8"})


def refusal(status: int, reason: str, message: str) -> Reply:
    """An error reply of the storage: https://cloud.google.com/storage/docs/json_api/v1/status-codes."""
    errors = [{"domain": "global", "reason": reason, "message": message}]
    return reply({"error": {"code": status, "message": message, "errors": errors}}, status)


def _invalid_grant(description: str) -> Reply:
    return reply({"error": "invalid_grant", "error_description": description}, 400)


def _written(path: Path, told: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))
    return str(path)
