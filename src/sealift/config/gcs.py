"""Google Cloud Storage."""

import os
from collections.abc import Mapping
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_strings, paths_as_text

__all__ = ["GCSConfig"]


@dataclass(frozen=True, slots=True)
class GCSConfig:
    """Google Cloud Storage.

    Args:
        service_account_key: Path of a service account's JSON key file. None: Application Default Credentials, that is
            `GOOGLE_APPLICATION_CREDENTIALS` (a service account key, or an external account file for workload identity
            federation), gcloud's credential file, or the metadata server (Compute Engine, GKE Workload Identity).
        project_id: Project to bill for requests to requester-pays buckets.
        anonymous: Send unsigned requests, for public buckets.
        endpoint_url: Endpoint of an emulator or a private endpoint. None: `STORAGE_EMULATOR_HOST`, otherwise Google's.
        verify_ssl: As in `HTTPConfig`, for the service and the token endpoint.

    Raises:
        InvalidConfig: `anonymous` together with a key, a key in place of its path, or an endpoint that is not a URL.

    Example:
        >>> GCSConfig(anonymous=True, endpoint_url="http://127.0.0.1:4443").endpoint_url
        'http://127.0.0.1:4443'
    """

    service_account_key: str | os.PathLike[str] | None = None
    project_id: str | None = None
    anonymous: bool = False
    endpoint_url: str | None = None
    verify_ssl: bool | str | os.PathLike[str] = True

    def __post_init__(self) -> None:
        paths_as_text(self)
        if self.service_account_key is not None and self.anonymous:
            raise InvalidConfig("GCSConfig with service_account_key and anonymous", hint="choose one of them")
        if isinstance(self.service_account_key, str) and self.service_account_key.lstrip().startswith("{"):
            raise InvalidConfig(
                "service_account_key contains the key itself", hint="write it to a file and pass the path"
            )
        check_strings(self)

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the endpoint from the environment.

        Args:
            environ: Environment with `STORAGE_EMULATOR_HOST`; requests to the emulator are unsigned. Credentials are
                resolved when they are first needed, as described for `service_account_key`.
        """
        emulator = environ.get("STORAGE_EMULATOR_HOST") or None
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        return cls(anonymous=emulator is not None, endpoint_url=emulator)
