"""Images and artifacts in container registries (OCI distribution), read-only.

`registry` sends requests, `authorization` gets tokens with the `credentials` of docker's files, and `replies` parses
errors. `manifest` tells what the layers are. A layer that is a file is read in place. A layer that is a tar archive is
read once, to list and verify it (`layer_index`, with `decoder` and `tar_scanner`); later, its files are read in place,
or from a stream of the decompressed layer (`layer_stream`). `file_tree` merges the layers, and `image` connects them.
"""

from ...config import OCIConfig, StorageConfig
from ...errors import InvalidConfig
from ...instance import Instance
from ...uri import Location
from .authorization import Authorization
from .backend import OCIBackend
from .credentials import FILE_VARIABLES
from .image import ImageReader
from .layer_index import LayerIndexes
from .registry import Registry, origin_of

__all__ = ["OCIBackend", "open"]


async def open(location: Location, config: StorageConfig | None, instance: Instance) -> OCIBackend:  # noqa: A001 - the contract's
    """Open the image or artifact of a location."""
    environment = OCIConfig.from_env(instance.environ)
    if config is None:
        config = environment
    if not isinstance(config, OCIConfig):
        raise InvalidConfig(f"{type(config).__name__} is not for oci://", hint="pass an OCIConfig")
    insecure = environment.insecure if config.insecure is None else config.insecure
    origin = origin_of(location, insecure=insecure)
    files = tuple(instance.environ.get(name) for name in FILE_VARIABLES)
    key = ("oci", origin, location.root, config, environment, files)
    if key not in instance.credentials:
        instance.credentials[key] = Authorization(location, config, environment, instance)
    registry = Registry(location, origin, instance.credentials[key], config, instance)
    indexes = await LayerIndexes.of_instance(instance)
    return OCIBackend(ImageReader(registry, indexes, config.platform or environment.platform))
