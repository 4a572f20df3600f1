"""Kubernetes volumes: a claim is a directory that the pod has mounted, so its files are those of this machine.

A pod of KServe has the claim of its storage URI at /mnt/pvc (`_PVC_PREFIX` in the package kserve_storage).
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
    """The claim's directory; keys are relative to it."""
    if config is None:
        config = PVCConfig.from_env(instance.environ)
    if not isinstance(config, PVCConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for pvc://", hint="pass a PVCConfig")
    mounts = config.mounts
    return LocalBackend(await instance.disk.run(lambda: mount_of(location.root, mounts)), instance.disk)


def mount_of(claim: str, mounts: Mapping[str, str]) -> str:
    """Blocking: where a claim is mounted.

    Args:
        claim: Its name.
        mounts: Claims whose directories are known.

    Raises:
        ModelMissingError: Nowhere; the message says where it was looked for.
    """
    if claim in mounts:
        path = mounts[claim]
        looked = f"{path} is no directory"
    else:
        path = f"{_MOUNTS}/{claim}"
        looked = f"{path} is no directory, and {_MOUNTS} is no mount"
    if os.path.isdir(path):
        return path
    if claim not in mounts and os.path.ismount(_MOUNTS):  # the volume itself, as KServe mounts it
        return _MOUNTS
    hint = f"mount it there, or say where it is: SEALIFT_PVC_MOUNTS={claim}=/path, or PVCConfig(mounts=…)"
    raise ModelMissingError(claim, cause=f"the claim {claim!r} is not mounted: {looked}", hint=hint)
