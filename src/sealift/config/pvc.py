"""Mounted Kubernetes volumes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ..errors import InvalidConfig

__all__ = ["PVCConfig"]


@dataclass(frozen=True, slots=True)
class PVCConfig:
    """Where Kubernetes volumes are mounted.

    Args:
        mounts: Claim name → directory, an absolute path. Another claim is looked for at /mnt/pvc/CLAIM, and at /mnt/pvc
            where that is itself a mount, as in a pod of KServe.

    Raises:
        InvalidConfig: A directory is not an absolute path.

    Example:
        >>> PVCConfig.from_env({"SEALIFT_PVC_MOUNTS": "models=/mnt/models,data=/data"}).mounts
        {'models': '/mnt/models', 'data': '/data'}
    """

    mounts: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for claim, path in self.mounts.items():
            if not path.startswith("/"):
                raise InvalidConfig(f"the claim {claim!r} is mounted at {path!r}", hint="give an absolute path")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read `SEALIFT_PVC_MOUNTS`, a list such as `models=/mnt/models,data=/data`.

        Args:
            environ: The environment variables.

        Raises:
            InvalidConfig: It is not such a list.
        """
        mounts = {}
        for entry in environ.get("SEALIFT_PVC_MOUNTS", "").split(","):
            claim, equals, path = entry.strip().partition("=")
            if not equals and claim:
                raise InvalidConfig(
                    f"the environment variable SEALIFT_PVC_MOUNTS holds {claim!r}", hint="write it as claim=/path"
                )
            if equals:
                mounts[claim] = path
        return cls(mounts)
