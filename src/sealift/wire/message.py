"""`Origin`, `TLS`, `Request` and `Response`: plain values whose `repr` shows no secrets."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass
from ..uris.urls import ascii_host

__all__ = ["TLS", "AllowedAddresses", "Headers", "Origin", "Request", "Response", "first_byte_timeout"]

Headers = list[tuple[bytes, bytes]]
# Which addresses may be connected to (see `address_policy`). "any": the caller chose the origin; "local": redirected
# there by a server on this machine or a private network; "public": redirected there by any other server.
AllowedAddresses = Literal["any", "local", "public"]

_PORTS = {"http": 80, "https": 443}
_MILLISECONDS = ("x-amz-retry-after", "retry-after-ms", "x-ms-retry-after-ms")
# Request Timeout, which servers also send when they have too many connections; Too Many Requests; Service Unavailable.
_THROTTLED = {408, 429, 503}
_TRANSIENT = {408, 425, 429}
_NOT_IMPLEMENTED = {501, 505}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a server.

    Args:
        scheme: "http" or "https".
        host: Host name or IP address; IPv6 without brackets.
        port: Port number.

    Example:
        >>> Origin.of("https://[::1]:8443/bucket/key").netloc
        '[::1]:8443'
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """The origin of an http or https URL; user, path and query are ignored.

        Raises:
            InvalidConfig: Not an http or https URL. The message does not repeat the URL, which may hold a secret.
        """
        try:
            split = urlsplit(url)
            scheme, host, port = split.scheme, split.hostname, split.port
        except ValueError:
            scheme, host, port = "", None, None
        if scheme not in _PORTS or not host:
            raise InvalidConfig(
                "the URL is not a valid http or https URL", hint="write it as https://host or https://host:port"
            )
        try:
            host = ascii_host(host)
        except ValueError:
            cause = f"the host name {host!r} cannot be written in ASCII"
            raise InvalidConfig(cause, hint="write it as xn--…") from None
        return cls(scheme, host, _PORTS[scheme] if port is None else port)

    @property
    def netloc(self) -> str:
        """Value of the Host header: IPv6 in brackets, without the scheme's default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        """Host and port for messages; the port is always included."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, so that no DNS lookup is needed."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class TLS:
    """Connection security. Requests with different settings never share a connection.

    Args:
        verify: False accepts any certificate for any host name. For tests only.
        ca_file: PEM file of CA certificates to trust instead of the system's.
        allowed_addresses: Which addresses may be connected to, with or without TLS.
        certificate: PEM file of a client certificate, for servers that ask for one.
        key: PEM file of its private key. None: `certificate` holds it, too.
    """

    verify: bool = True
    ca_file: str | None = None
    allowed_addresses: AllowedAddresses = "any"
    certificate: str | None = None
    key: str | None = None

    @classmethod
    def of(cls, verify_ssl: bool | str | os.PathLike[str]) -> "TLS":
        """The settings of a configuration's `verify_ssl`: whether to verify, or the path of a CA file."""
        return cls(verify_ssl is not False, None if isinstance(verify_ssl, bool) else os.fspath(verify_ssl))


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """A request without its body.

    Args:
        method: "GET", "PUT" …
        origin: Server to send it to.
        target: Path and query, already percent-encoded; sent unchanged, including dot segments and double slashes.
        headers: Sent unchanged. Host is added if missing, and Content-Length if there is a body.
        tls: Connection security.
        encoded: Whether `Wire.fetch` accepts a body with a Content-Encoding, because the object is stored that way.
        first_byte_timeout: Seconds that the response may take to begin; 0: `Limits.idle_timeout`.

    Example:
        >>> Request("GET", Origin.of("http://127.0.0.1:9000"), "/bucket/key?X-Amz-Signature=abc")
        Request(GET http://127.0.0.1:9000/bucket/key)
    """

    method: str
    origin: Origin
    target: str
    headers: Sequence[tuple[str, str]] = ()
    tls: TLS = TLS()
    encoded: bool = False
    first_byte_timeout: float = 0.0

    def __repr__(self) -> str:
        return f"Request({self.method} {self.origin.scheme}://{self.origin.netloc}{self.target.partition('?')[0]})"


class Response:
    """A response.

    Args:
        status: Status code.
        headers: Header fields, names in lower case.
        body: From `Wire.send`, the whole body. From `Wire.fetch`, the beginning of an error body.
        unexpected: From `Wire.fetch`, a 200 or 206 that is not the expected one; its body was not written.
        host: Host and port of the server, for errors.
        fields: The same headers as a dict, if none is repeated.

    Attributes:
        request: The request, for errors; None: unknown.
    """

    __slots__ = ("_fields", "body", "headers", "host", "request", "status", "unexpected")

    def __init__(
        self,
        status: int,
        headers: Headers,
        body: bytes = b"",
        *,
        unexpected: bool = False,
        host: str | None = None,
        fields: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.unexpected = unexpected
        self.host = host
        self.request: Request | None = None
        self._fields = fields

    def header(self, name: str) -> str | None:
        """The value of a header (case-insensitive name); repeated headers are joined with commas.

        https://www.rfc-editor.org/rfc/rfc9110#section-5.3
        """
        fields = self._fields
        if fields is None:
            joined: dict[bytes, bytes] = {}
            for key, value in self.headers:
                joined[key] = b"%b, %b" % (joined[key], value) if key in joined else value
            fields = self._fields = joined
        found = fields.get(name.lower().encode())
        return None if found is None else found.decode("latin-1")

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before a retry, never negative; None: Retry-After is missing or malformed.

        Either seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after. AWS and Azure also send
        milliseconds, under other names.
        """
        for name in _MILLISECONDS:
            value = (self.header(name) or "").strip()
            if value.isascii() and value.isdigit():
                return float(value) / 1000
        value = (self.header("retry-after") or "").strip()
        if value.isascii() and value.isdigit():
            return float(value)
        until = self.time("retry-after")
        # The clock of this machine may be wrong.
        return None if until is None else max(0.0, (until - (self.time("date") or datetime.now(UTC))).total_seconds())

    @property
    def asks_for_less(self) -> bool:
        """Whether the server asks for fewer requests, as far as the status says."""
        return self.status in _THROTTLED

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later, as far as the status says.

        These are Request Timeout, Too Early, Too Many Requests, and failures of the server except Not Implemented and
        HTTP Version Not Supported: https://www.rfc-editor.org/rfc/rfc9110#section-15.6.2
        """
        return self.status in _TRANSIENT or (self.status >= 500 and self.status not in _NOT_IMPLEMENTED)

    @property
    def is_failure(self) -> bool:
        """Whether the server did not do its work; a missing file, for example, is no such failure."""
        return self.status >= 500 or self.status in _THROTTLED or self.status in {401, 403}

    def time(self, name: str) -> datetime | None:
        """The date in a header; None: missing or malformed.

        https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
        """
        value = self.header(name) or ""
        if len(value) == len("Sun, 06 Nov 1994 08:49:37 GMT") and value[8:11] in _MONTHS and value[25:] == " GMT":
            month = _MONTHS.index(value[8:11]) + 1
            with suppress(ValueError):
                return datetime.fromisoformat(f"{value[12:16]}-{month:02}-{value[5:7]}T{value[17:25]}+00:00")
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - servers send the form above

        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        return date if date.tzinfo is not None else date.replace(tzinfo=UTC)

    def __repr__(self) -> str:
        names = ", ".join(name.decode("latin-1") for name, _ in self.headers)
        return f"Response({self.status}, headers=[{names}], body={len(self.body)} bytes)"


def first_byte_timeout(chosen: float | None, idle_timeout: float) -> float:
    """Seconds that a response may take to begin, if the server may have to fetch the file first.

    Args:
        chosen: The caller's choice. None: four times `idle_timeout`.
        idle_timeout: `Limits.idle_timeout`.
    """
    return chosen or 4 * idle_timeout
