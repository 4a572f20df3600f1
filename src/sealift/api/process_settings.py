"""`configure`: the configuration and limits of `Storage`, for the whole process."""

import os

from ..config import ConfigMap, StorageConfigs
from ..frozen_dataclass import dataclass
from ..types import Limits
from .argument_types import checked_limits

__all__ = ["Settings", "configure", "current_settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What `configure` has set.

    Attributes:
        config: The configurations. None: from the environment.
        limits: The limits. None: from the environment, when the first call needs them.
    """

    config: StorageConfigs | None = None
    limits: Limits | None = None


# Replaced as a whole, which is atomic: no lock is needed that a fork could leave locked.
_settings = Settings()


def configure(*, config: StorageConfigs | None = None, limits: Limits | None = None) -> None:
    """Set the configuration and limits of `Storage` and `StorageOperations`, for the whole process.

    The settings apply to calls that begin after this returns. Calls that are running, and `Storage.open` objects that
    exist, keep what they began with. Each call replaces all settings of the one before, so `configure()` restores the
    defaults, and reads the `SEALIFT_…` variables again. It may be called at any time from any thread. A process that is
    forked keeps the settings; one that is started anew, as by the `spawn` method of multiprocessing, does not.
    Instances of `AsyncStorage` have settings of their own.

    Args:
        config: Credentials and endpoints of calls without a `config` of their own, as for `AsyncStorage`: one
            configuration, several, or a mapping from URI prefixes. None: from the environment.
        limits: Limits on memory, connections and retries. None: the `SEALIFT_…` variables of the environment, as in
            `Limits.from_env`.

    Raises:
        InvalidConfig: An argument or a variable cannot be used; the settings stay as they were.

    Example:
        >>> import sealift
        >>> sealift.configure(config=S3Config(endpoint_url="http://minio:9000"), limits=Limits(memory=64 << 20))
        >>> path = sealift.Storage.download("s3://ml-models/iris/")
    """
    global _settings  # noqa: PLW0603
    _settings = Settings(ConfigMap(config).given, checked_limits(limits, os.environ))


def current_settings() -> Settings:
    """The settings of a call that begins now."""
    return _settings
