"""Kubernetes persistent volume claims, which are directories mounted into the pod.

KServe mounts the claim of a storage URI at /mnt/pvc (`_PVC_PREFIX` in the package kserve_storage).
"""

import os
from collections.abc import Mapping

from ..config import PVCConfig, StorageConfig
from ..errors import InvalidConfig, ModelMissingError
from ..instance import Instance
from ..uri import Location
from .local import LocalBackend

__all__ = ["mount_of", "open"]

_MOUNTS = "/mnt/pvc"


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> LocalBackend:  # noqa: A001 - the contract's
    """Open the claim's directory; keys are relative to it."""
    if config is None:
        config = PVCConfig.from_env(instance.environ)
    if not isinstance(config, PVCConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for pvc://", hint="pass a PVCConfig")
    mounts = config.mounts
    return LocalBackend(await instance.disk.run(lambda: mount_of(location.root, mounts)), instance.disk)


def mount_of(claim: str, mounts: Mapping[str, str | os.PathLike[str]]) -> str:
    """Find the directory where a claim is mounted; blocking.

    Args:
        claim: Name of the claim.
        mounts: Configured directories by claim.

    Raises:
        ModelMissingError: The claim is not mounted; the message names the paths that were checked.
    """
    if claim in mounts:
        path = os.fspath(mounts[claim])
        reason = f"{path} is not a directory"
    else:
        path = f"{_MOUNTS}/{claim}"
        reason = f"{path} is not a directory, and {_MOUNTS} is not a mount point"
    if os.path.isdir(path):
        return path
    if claim not in mounts and os.path.ismount(_MOUNTS):  # the volume itself, as KServe mounts it
        return _MOUNTS
    hint = f"mount it there, or set SEALIFT_PVC_MOUNTS={claim}=/path or PVCConfig(mounts=…)"
    raise ModelMissingError(claim, cause=f"the claim {claim!r} is not mounted: {reason}", hint=hint)
