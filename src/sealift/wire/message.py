"""What is asked and what is answered: values that neither log nor print what may be secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from ..addresses.urls import ascii_host
from ..errors import InvalidConfig

__all__ = ["TLS", "AllowedAddresses", "Headers", "Origin", "Request", "Response"]

Headers = list[tuple[bytes, bytes]]
# "any": the caller has named the origin; "local": a server of this machine or a private network has led there;
# "public": another server has. See `reach`.
AllowedAddresses = Literal["any", "local", "public"]

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request goes.

    Args:
        scheme: "http" or "https".
        host: A name or an address; IPv6 without brackets.
        port: The port.

    Example:
        >>> Origin.of("https://[::1]:8443/bucket/key").netloc
        '[::1]:8443'
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """The origin of an http or https URL; its user, path and query are not looked at.

        Raises:
            InvalidConfig: Not such a URL. The message does not repeat it.
        """
        try:
            split = urlsplit(url)
            scheme, host, port = split.scheme, split.hostname, split.port
        except ValueError:
            scheme, host, port = "", None, None
        if scheme not in _PORTS or not host:
            raise InvalidConfig("this is no http or https URL", hint="write it as https://host or https://host:port")
        try:
            host = ascii_host(host)
        except ValueError:
            cause = f"the host name {host!r} cannot be written in ASCII"
            raise InvalidConfig(cause, hint="write it as xn--…") from None
        return cls(scheme, host, _PORTS[scheme] if port is None else port)

    @property
    def netloc(self) -> str:
        """As the Host header has it: IPv6 in brackets, the scheme's own port left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def address(self) -> str:
        """For messages: host and port, always both."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address and needs no resolving."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class TLS:
    """Whom to trust; connections that trust differently are never shared.

    Args:
        verify: False accepts any certificate and any name in it. Only for tests.
        ca_file: PEM file of the authorities to trust instead of the system's.
        reach: Which addresses may be connected to, with TLS or without.
    """

    verify: bool = True
    ca_file: str | None = None
    allowed_addresses: AllowedAddresses = "any"


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request, without its body.

    Args:
        method: "GET", "PUT" …
        origin: Where it goes.
        target: Path and query, percent-encoded already; sent exactly as it is, dot segments and doubled slashes too.
        headers: Sent as they are. Host is added where absent, and Content-Length where there is a body.
        tls: Whom to trust, for https.
        encoded: Whether `Wire.fetch` takes a body with a Content-Encoding: it is what is stored.

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

    def __repr__(self) -> str:
        return f"Request({self.method} {self.origin.scheme}://{self.origin.netloc}{self.target.partition('?')[0]})"


@dataclass(slots=True)
class Response:
    """A reply.

    Attributes:
        status: The status code.
        headers: Names in lower case.
        body: Of `Wire.fetch`: the beginning of a body that did not go into the caller's buffer. Of `Wire.send`: all.
    """

    status: int
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header, whatever its case; several of one name are joined by a comma.

        https://www.rfc-editor.org/rfc/rfc9110#section-5.3
        """
        wanted = name.lower().encode("latin-1")
        values = [value.decode("latin-1") for given, value in self.headers if given == wanted]
        return ", ".join(values) if values else None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait, never less than 0; None: it says none, or nothing that can be read.

        It says so in seconds or by a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after.
        """
        told = (self.header("retry-after") or "").strip()
        if told.isascii() and told.isdigit():
            return float(told)
        until = self.time("retry-after")
        return None if until is None else max(0.0, (until - datetime.now(UTC)).total_seconds())

    def time(self, name: str) -> datetime | None:
        """The date in a header; None: there is none that can be read.

        https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
        """
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - most replies are asked for no date

        try:
            date = parsedate_to_datetime(self.header(name) or "")
        except (ValueError, OverflowError):
            return None
        return date if date.tzinfo is not None else date.replace(tzinfo=UTC)

    def __repr__(self) -> str:
        names = ", ".join(name.decode("latin-1") for name, _ in self.headers)
        return f"Response({self.status}, headers=[{names}], body={len(self.body)} bytes)"
