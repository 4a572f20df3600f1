"""Google Cloud Storage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..errors import InvalidConfig
from .checks import check_texts

__all__ = ["GCSConfig"]


@dataclass(frozen=True, slots=True)
class GCSConfig:
    """Google Cloud Storage.

    Args:
        service_account_key: Path of a service account's JSON file. None: application default credentials, which are
            `GOOGLE_APPLICATION_CREDENTIALS` (a service account's key, or an external account's file, as workload
            identity federation has it), gcloud's file, or the account that the metadata service knows (Compute Engine,
            GKE with workload identity).
        project_id: Pays for requests to buckets whose requester has to.
        anonymous: Send unsigned requests, for public buckets.
        endpoint_url: Another address, such as an emulator's or a private endpoint's; None: Google's, or
            `STORAGE_EMULATOR_HOST`.

    Raises:
        InvalidConfig: `anonymous` together with a key, a key's content in place of its path, or an endpoint that is no
            URL.

    Example:
        >>> GCSConfig(anonymous=True, endpoint_url="http://127.0.0.1:4443").endpoint_url
        'http://127.0.0.1:4443'
    """

    service_account_key: str | None = None
    project_id: str | None = None
    anonymous: bool = False
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        if self.service_account_key is not None and self.anonymous:
            raise InvalidConfig("GCSConfig with service_account_key and anonymous", hint="choose one of them")
        if self.service_account_key is not None and self.service_account_key.lstrip().startswith("{"):
            raise InvalidConfig("service_account_key holds a key itself", hint="write it to a file and give its path")
        check_texts(self)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """What the environment says beside the credentials.

        Args:
            environ: Read is `STORAGE_EMULATOR_HOST`, whose emulator is asked without signing in. Credentials are looked
                for when they are needed, as `service_account_key` says.
        """
        emulator = environ.get("STORAGE_EMULATOR_HOST") or None
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        return cls(anonymous=emulator is not None, endpoint_url=emulator)
