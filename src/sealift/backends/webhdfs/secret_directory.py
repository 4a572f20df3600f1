"""The configuration of the environment: variables, or the secret that KServe mounts.

https://kserve.github.io/website/docs/model-serving/storage/providers/hdfs
"""

import os
from contextlib import suppress

from ...config import HDFSConfig
from ...errors import AccessDenied
from ...instance import Instance
from .address import without_secrets

__all__ = ["environment_config"]

_DIRECTORY = "/var/secrets/kserve-hdfscreds"
_FILES = ("KERBEROS_KEYTAB", "TLS_CERT", "TLS_KEY", "TLS_CA")
_TEXTS = ("HDFS_NAMENODE", "HDFS_ROOTPATH", "HEADERS", "KERBEROS_PRINCIPAL", "TLS_SKIP_VERIFY", "USER_PROXY")


async def environment_config(instance: Instance) -> HDFSConfig:
    """The configuration of the environment.

    It is that of the variables, if they name a namenode; otherwise the secret in `HDFS_SECRET_DIR` or in
    /var/secrets/kserve-hdfscreds, if there is one.

    Args:
        instance: Provides the environment, and reads the secret.

    Raises:
        AccessDenied: The secret cannot be read.
        InvalidConfig: It is not valid.
    """
    config = HDFSConfig.from_env(instance.environ)
    if config.namenode is None:
        directory = instance.environ.get("HDFS_SECRET_DIR") or _DIRECTORY
        entries = await instance.disk.run(lambda: _read(directory))
        if entries:
            return HDFSConfig.from_secret(entries)
    return without_secrets(config)


def _read(directory: str) -> dict[str, str]:
    """Read the entries of a secret, each a file; {} if there is none."""
    entries = {}
    for name in _FILES:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            entries[name] = path
    for name in _TEXTS:
        path = os.path.join(directory, name)
        try:
            with suppress(FileNotFoundError, NotADirectoryError), open(path, encoding="utf-8") as file:
                entries[name] = file.read()
        except (OSError, UnicodeDecodeError) as problem:
            reason = getattr(problem, "strerror", None) or "it is not a text file"
            raise AccessDenied(f"the HDFS secret {path} cannot be read: {reason}") from None
    return entries
