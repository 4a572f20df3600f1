"""Container registries."""

import os
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_strings, flag, paths_as_text

__all__ = ["OCIConfig"]

_PLATFORM = r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9.]+)?"


@dataclass(frozen=True, slots=True)
class OCIConfig:
    """Container registries, for `oci://`.

    Without a username or token, credentials come from the file that `docker login` or `podman login` has written, or
    from the credential helper that it names. Without those, requests are anonymous.

    Args:
        username: Name of the user or robot account.
        password: Password or access token of `username`.
        token: Bearer token that the registry itself accepts, instead of a username.
        auth_file: File in the format of docker's `config.json`. None: `REGISTRY_AUTH_FILE`; without it, the first that
            has credentials for the registry: `KSERVE_OCI_DOCKER_CONFIG`, `config.json` in `DOCKER_CONFIG`, and the
            default files of podman and docker.
        anonymous: Send no credentials, even if a file has some.
        insecure: Use plain HTTP. False: use TLS, also for this machine. None: `KSERVE_OCI_INSECURE_REGISTRY`, or TLS
            except for a registry on this machine (localhost, 127.0.0.1).
        platform: Platform of an image with several, such as "linux/arm64". None: `DOCKER_DEFAULT_PLATFORM`, or Linux on
            this machine's architecture.
        verify_ssl: As in `S3Config`, for the registry, its token service and its storage.

    Raises:
        InvalidConfig: `anonymous` together with credentials, a username without a password, or a platform that is not
            of the form "os/architecture".

    Example:
        >>> OCIConfig("robot", "secret").username
        'robot'
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    auth_file: str | os.PathLike[str] | None = None
    anonymous: bool = False
    insecure: bool | None = None
    platform: str | None = None
    verify_ssl: bool | str | os.PathLike[str] = True

    def __post_init__(self) -> None:
        paths_as_text(self)
        check_strings(self)
        given = [name for name in ("username", "token", "auth_file") if getattr(self, name)]
        if self.anonymous and given:
            raise InvalidConfig(f"OCIConfig with anonymous and {given[0]}", hint="choose one of them")
        if (self.username is None) != (self.password is None):
            raise InvalidConfig("OCIConfig needs a username and a password", hint="or a token, or neither")
        if self.username is not None and ":" in self.username:
            raise InvalidConfig("OCIConfig(username=…) contains a colon", hint="pass the password as password=…")
        if self.platform is not None and not re.fullmatch(_PLATFORM, self.platform):
            raise InvalidConfig(f"OCIConfig(platform={self.platform!r}) is not a platform", hint="such as linux/amd64")

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment variables of docker, podman and KServe.

        Args:
            environ: Environment with `REGISTRY_AUTH_FILE`, `DOCKER_DEFAULT_PLATFORM` and
                `KSERVE_OCI_INSECURE_REGISTRY`. `KSERVE_OCI_DOCKER_CONFIG`, a file, and `DOCKER_CONFIG`, a directory,
                are searched together with the default files, because they need not exist.
        """
        return cls(
            auth_file=environ.get("REGISTRY_AUTH_FILE") or None,
            insecure=flag(environ, "KSERVE_OCI_INSECURE_REGISTRY"),
            platform=environ.get("DOCKER_DEFAULT_PLATFORM") or None,
        )
