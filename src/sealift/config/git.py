"""Git repositories over http and https."""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_positive, check_strings, paths_as_text

__all__ = ["GitConfig"]


@dataclass(frozen=True, slots=True)
class GitConfig:
    """Git repositories over http and https.

    Args:
        username: User name. None: "git", if there is a password; servers that take tokens accept any name.
        password: Password or access token. None: the environment's, which is sent over https only.
        anonymous: Send no credentials, even if the environment has some.
        verify_ssl: As in `HTTPConfig`.
        first_byte_timeout: As in `HTTPConfig`; the server packs the files of the commit first.

    Raises:
        InvalidConfig: Credentials together with `anonymous`.

    Example:
        >>> GitConfig("robot", "secret").username
        'robot'
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    anonymous: bool = False
    verify_ssl: bool | str | os.PathLike[str] = True
    first_byte_timeout: float | None = None

    def __post_init__(self) -> None:
        paths_as_text(self)
        check_strings(self)
        if self.anonymous and (self.username or self.password):
            raise InvalidConfig("GitConfig with credentials and anonymous", hint="choose one of them")
        if self.username and ":" in self.username:
            raise InvalidConfig("GitConfig(username=…) contains a colon", hint="pass the password as password=…")
        check_positive(self, "first_byte_timeout")

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read `GIT_USERNAME` and `GIT_PASSWORD`, as in KServe.

        Args:
            environ: The environment variables.
        """
        return cls(environ.get("GIT_USERNAME") or None, environ.get("GIT_PASSWORD") or None)
