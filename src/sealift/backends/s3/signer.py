"""Build and sign the requests for one bucket. No I/O: usable in any thread."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime

from ...config.user_agent import OWN_USER_AGENT
from ...frozen_dataclass import dataclass
from ...wire import Request
from .access import BucketAccess
from .signature import EMPTY_SHA256, Credentials, quote_key, quote_query, sign

__all__ = ["Headers", "Signer"]

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Signer:
    """Builds requests with the credentials and the time of one moment.

    Args:
        access: How requests are addressed and signed.
        credentials: The credentials to sign with; None: requests are not signed.
        now: Time of the signatures.
        user_agent: The User-Agent header; it is not signed, because proxies may change it.
    """

    access: BucketAccess
    credentials: Credentials | None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    user_agent: str = OWN_USER_AGENT

    def request(
        self,
        method: str,
        key: str | None,
        headers: Headers = (),
        query: Mapping[str, str] | None = None,
        *,
        payload: str = EMPTY_SHA256,
    ) -> Request:
        """Build and sign a request.

        Args:
            method: HTTP method.
            key: The object's key; None: the request is about the bucket.
            headers: Headers in addition to Host and those of the signature, with lower-case names.
            query: Query parameters, in any order.
            payload: Hash of the body, as in `sign`.
        """
        access = self.access
        target = f"{access.path}/{'' if key is None else quote_key(key)}" + (f"?{quote_query(query)}" if query else "")
        own = [("host", access.origin.netloc), ("user-agent", self.user_agent)]
        signed = [*own, *headers, *self._access_headers(method, key, query)]
        if self.credentials is not None:
            signer = sign
            if access.scheme == "sigv4a":
                from .sigv4a import sign as signer  # noqa: PLC0415 - only for access points of several regions
            signed = signer(
                method,
                target,
                signed,
                credentials=self.credentials,
                region=access.region,
                service=access.service,
                now=self.now,
                payload=payload,
            )
        # Content-Encoding is metadata of the object: the body arrives as it was stored and must not be decoded.
        return Request(method, access.origin, target, signed, access.tls, encoded=True)

    def _access_headers(self, method: str, key: str | None, query: Mapping[str, str] | None) -> Headers:
        """The headers that the configuration adds: a customer-provided key only where the bytes are read or written."""
        bytes_needed = key is not None and method != "DELETE" and (not query or "tagging" not in query)
        return self.access.object_headers if bytes_needed else self.access.headers
