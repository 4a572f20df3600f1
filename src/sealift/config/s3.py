"""Amazon S3 and S3-compatible services."""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_strings, flag, paths_as_text
from .customer_key import check_customer_key
from .environment import expand_home

__all__ = ["S3Config"]

AddressingStyle = Literal["auto", "path", "virtual"]
UploadChecksum = Literal["crc64nvme", "crc32c", "crc32"]


@dataclass(frozen=True, slots=True)
class S3Config:
    """Amazon S3 and S3-compatible services.

    Args:
        access_key_id: Access key ID. None, together with `secret_access_key`: the AWS SDK's default credential chain
            (environment, shared files, assumed roles, web identity, SSO, container and instance metadata).
        secret_access_key: Secret access key.
        region: Region of the bucket. None: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's region, the region in an
            AWS endpoint, otherwise us-east-1. Redirects to the bucket's actual region are followed.
        endpoint_url: Endpoint of an S3-compatible service, such as "http://127.0.0.1:9000". None:
            `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's endpoint, otherwise Amazon S3.
        use_ssl: Whether to use TLS if `endpoint_url` does not say.
        session_token: Session token of temporary credentials.
        anonymous: Send unsigned requests, for public buckets.
        addressing_style: "path" (endpoint/bucket/key), "virtual" (bucket.endpoint/key), or "auto": the profile's
            setting, otherwise virtual for Amazon S3 and path for other endpoints.
        verify_ssl: False accepts any certificate (tests only); a path names a PEM file of trusted CAs; True: the CAs of
            `AWS_CA_BUNDLE` or the profile's `ca_bundle`, otherwise the system's.
        profile: Profile in the shared credentials and config files. None: `AWS_PROFILE`, or the default profile.
        checksum: Checksum algorithm sent with uploads; the service rejects data damaged in transit. "auto": crc64nvme,
            or none if `AWS_REQUEST_CHECKSUM_CALCULATION` or the profile is set to when_required. None: no checksum, for
            services that reject the header.
        requester_pays: Agree to pay for requests to requester-pays buckets.
        customer_key: Encryption key for server-side encryption with a customer-provided key (SSE-C): 32 bytes, or their
            Base64 text. Objects are written, read and copied with it.
        customer_key_over_http: Allow an endpoint without TLS with `customer_key`, for tests. False: it is an error.
        accelerate: Use Amazon's endpoint for S3 Transfer Acceleration, which must be enabled for the bucket. False: the
            profile decides.

    Raises:
        InvalidConfig: Only one of key and secret, a key pair together with `anonymous` or `profile`, or a customer key
            that does not have 256 bits.

    Example:
        >>> S3Config("AKIAEXAMPLE", "secret", endpoint_url="http://127.0.0.1:9000").endpoint_url
        'http://127.0.0.1:9000'
    """

    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint_url: str | None = None
    use_ssl: bool = True
    session_token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    addressing_style: AddressingStyle = "auto"
    verify_ssl: bool | str | os.PathLike[str] = True
    profile: str | None = None
    checksum: UploadChecksum | Literal["auto"] | None = "auto"
    requester_pays: bool = False
    customer_key: str | bytes | None = field(default=None, repr=False)
    customer_key_over_http: bool = False
    accelerate: bool = False

    def __post_init__(self) -> None:
        paths_as_text(self)
        check_strings(self)
        check_customer_key(self)
        if (self.access_key_id is None) != (self.secret_access_key is None):
            missing = "access_key_id" if self.access_key_id is None else "secret_access_key"
            raise InvalidConfig(
                f"S3Config without {missing}", hint="pass both access_key_id and secret_access_key, or neither"
            )
        if self.access_key_id is not None and (self.anonymous or self.profile):
            raise InvalidConfig("S3Config with a key pair and anonymous or profile", hint="choose one of them")
        if self.addressing_style not in {"auto", "path", "virtual"}:
            raise InvalidConfig(
                f"S3Config(addressing_style={self.addressing_style!r})", hint="use auto, path or virtual"
            )
        if self.checksum not in {"auto", "crc64nvme", "crc32c", "crc32", None}:
            raise InvalidConfig(
                f"S3Config(checksum={self.checksum!r})", hint="use auto, crc64nvme, crc32c, crc32 or None"
            )

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables that the AWS SDK does not read itself, and the region.

        Args:
            environ: Environment with `AWS_REGION` / `AWS_DEFAULT_REGION`, `AWS_CA_BUNDLE`, and the variables that
                KServe sets: `S3_ENDPOINT` with `S3_USE_HTTPS`, `S3_VERIFY_SSL`, `S3_USER_VIRTUAL_BUCKET`,
                `S3_USE_ACCELERATE`, `AWS_ANONYMOUS_CREDENTIAL` / `awsAnonymousCredential`. Keys, profiles,
                `AWS_ENDPOINT_URL` and the other variables of the SDK are read by each call.
        """
        bundle = environ.get("AWS_CA_BUNDLE", "")
        verify_ssl: bool | str = expand_home(bundle, environ) or bundle or True
        if flag(environ, "S3_VERIFY_SSL") is False:
            verify_ssl = False
        https = flag(environ, "S3_USE_HTTPS") is not False
        endpoint = environ.get("S3_ENDPOINT") or None
        if environ.get("AWS_ENDPOINT_URL") or environ.get("AWS_ENDPOINT_URL_S3"):
            endpoint = None
        if endpoint and "://" not in endpoint:
            endpoint = f"{'https' if https else 'http'}://{endpoint}"
        return cls(
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None,
            endpoint_url=endpoint,
            verify_ssl=verify_ssl,
            anonymous=flag(environ, "AWS_ANONYMOUS_CREDENTIAL", "awsAnonymousCredential") or False,
            addressing_style="virtual" if flag(environ, "S3_USER_VIRTUAL_BUCKET") else "auto",
            accelerate=flag(environ, "S3_USE_ACCELERATE") or False,
        )
