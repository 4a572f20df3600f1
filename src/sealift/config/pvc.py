"""Kubernetes persistent volume claims (PVCs)."""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr

__all__ = ["PVCConfig"]


@dataclass(frozen=True, slots=True)
class PVCConfig:
    """Mount points of Kubernetes persistent volume claims.

    Args:
        mounts: Claim name → absolute path of its mount point. Other claims are expected at /mnt/pvc/CLAIM, or at
            /mnt/pvc if that is itself a mount point, as in KServe pods.

    Raises:
        InvalidConfig: A mount point is not an absolute path, or `mounts` is not a mapping.

    Example:
        >>> PVCConfig.from_env({"SEALIFT_PVC_MOUNTS": "models=/mnt/models,data=/data"}).mounts
        {'models': '/mnt/models', 'data': '/data'}
    """

    mounts: Mapping[str, str | os.PathLike[str]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.mounts, Mapping):
            raise InvalidConfig("PVCConfig(mounts=…) is not a mapping", hint="pass a dict from claims to paths")
        for claim, path in self.mounts.items():
            if not isinstance(path, str | os.PathLike) or not os.path.isabs(path):
                raise InvalidConfig(f"the claim {claim!r} has the mount point {path!r}", hint="use an absolute path")

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read mount points from `SEALIFT_PVC_MOUNTS`, for example `models=/mnt/models,data=/data`.

        Args:
            environ: The environment variables.

        Raises:
            InvalidConfig: The variable does not have this form.
        """
        mounts = {}
        for entry in environ.get("SEALIFT_PVC_MOUNTS", "").split(","):
            claim, equals, path = entry.strip().partition("=")
            if not equals and claim:
                raise InvalidConfig(
                    f"the environment variable SEALIFT_PVC_MOUNTS contains {claim!r}", hint="use claim=/path"
                )
            if equals:
                mounts[claim] = path
        return cls(mounts)
