"""A fake S3 Express: directory buckets that check sessions, which expire when a test says so.

Checked against https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html
"""

import base64
import hashlib
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from sealift import S3Config
from tests.api.servers import Asked, Reply, failure
from tests.api.writable import WritableS3
from tests.services.signatures import is_signed, scope

BUCKET = "models--usw2-az1--x-s3"
IAM = ("AKIAIAM", "the-secret-of-the-user")
IAM_TOKEN = "the-token-of-the-user"
REGION = "us-west-2"


class DirectoryS3(WritableS3):
    """Directory buckets, in path style.

    Args:
        buckets: Bucket names.
        lifetime: Session lifetime in seconds.
        clock: Offset of the service's clock from this machine's.
        options: As for `FakeS3`.

    Attributes:
        users: Access key → secret.
        ended: Status and error code of the reply to an expired session.
        sessions: Access key → secret and token of the live sessions.
        created: Number of sessions created.
    """

    def __init__(self, *buckets: str, lifetime: float = 300, clock: timedelta = timedelta(), **options: Any) -> None:
        super().__init__(*(buckets or (BUCKET,)), **options)
        self.users = dict([IAM])
        self.ended = (400, "ExpiredToken")
        self.sessions: dict[str, tuple[str, str]] = {}
        self.created = 0
        self._lifetime = lifetime
        self._clock = clock

    @property
    def config(self) -> S3Config:
        return S3Config(*IAM, session_token=IAM_TOKEN, region=REGION, endpoint_url=self.endpoint)

    @property
    def secrets(self) -> list[str]:
        """The secrets that no error may show."""
        sessions = [f"{kind}-of-session-{number + 1}" for number in range(self.created) for kind in ("secret", "token")]
        return [IAM[1], IAM_TOKEN, *sessions]

    def end_sessions(self) -> None:
        """Expire all sessions."""
        self.sessions.clear()

    def tag(self, data: bytes) -> str:
        # Looks like an MD5, but is not one.
        return f'"{hashlib.sha256(data).hexdigest()[:32]}"'

    def _answer(self, asked: Asked) -> Reply:
        refusal = self._refusal(asked)
        if refusal is not None:
            return refusal
        if "session" in asked.query:
            return self._create()
        if "list-type" in asked.query:
            return self._list(asked.path.split("/")[1], asked.query)
        if "delete" in asked.query:
            crc = base64.b64encode(zlib.crc32(asked.body).to_bytes(4)).decode()
            if "content-md5" in asked.headers or asked.headers.get("x-amz-checksum-crc32") != crc:
                return failure(400, "InvalidRequest")
        return super()._answer(asked)

    def _refusal(self, asked: Asked) -> Reply | None:
        headers = asked.headers
        access_key, (_, region, service) = scope(headers)
        if (region, service) != (REGION, "s3express"):
            return failure(400, "AuthorizationHeaderMalformed")
        if "session" in asked.query or "x-amz-copy-source" in headers:
            secret = self.users.get(access_key, "")
            if "x-amz-s3session-token" in headers or headers.get("x-amz-security-token") != IAM_TOKEN:
                return failure(403, "InvalidToken")
        else:
            if "x-amz-security-token" in headers:
                return failure(403, "InvalidToken")
            secret, token = self.sessions.get(access_key, ("", ""))
            if not token or headers.get("x-amz-s3session-token") != token:
                return failure(*self.ended)
        return None if is_signed(asked.method, asked.target, headers, secret) else failure(403, "SignatureDoesNotMatch")

    def _create(self) -> Reply:
        self.created += 1
        names = ("ASIASESSION", "secret-of-session", "token-of-session")
        key, secret, token = (f"{name}-{self.created}" for name in names)
        self.sessions[key] = (secret, token)
        now = datetime.now(UTC) + self._clock
        expires = (now + timedelta(seconds=self._lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = (
            '<CreateSessionResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials>'
            f"<SessionToken>{token}</SessionToken><SecretAccessKey>{secret}</SecretAccessKey>"
            f"<AccessKeyId>{key}</AccessKeyId><Expiration>{expires}</Expiration></Credentials></CreateSessionResult>"
        )
        return Reply(200, body.encode(), {"Date": format_datetime(now.replace(microsecond=0), usegmt=True)})

    def _list(self, bucket: str, query: Mapping[str, str]) -> Reply:
        """List two keys per page, in an order that is not lexicographic."""
        prefix = query.get("prefix", "")
        if (prefix and not prefix.endswith("/")) or "start-after" in query:
            return failure(400, "InvalidRequest")
        found = sorted((key for key in self.objects[bucket] if key.startswith(prefix)), key=lambda key: key[::-1])
        start = int(query.get("continuation-token", 0))
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2020-09-01T10:20:30.000Z</LastModified>"
            f"<ETag>{escape(self.tag(data), {chr(34): '&quot;'})}</ETag><Size>{len(data)}</Size></Contents>"
            for key in found[start : start + 2]
            for data in [self.objects[bucket][key]]
        )
        more = start + 2 < len(found)
        token = f"<NextContinuationToken>{start + 2}</NextContinuationToken>" if more else ""
        body = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
        return Reply(200, body.encode())
