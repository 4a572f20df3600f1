"""The ModelScope hub."""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_positive, check_strings, paths_as_text

__all__ = ["ModelScopeConfig"]


@dataclass(frozen=True, slots=True)
class ModelScopeConfig:
    """The ModelScope hub.

    Args:
        token: Access token. None: the environment's, which is sent only to the environment's hub
            (`MODELSCOPE_ENDPOINT`, or https://modelscope.cn).
        endpoint: Address of another hub, such as "https://www.modelscope.ai". None: `MODELSCOPE_ENDPOINT`, or
            https://modelscope.cn.
        anonymous: Send no token, even if the environment has one.
        verify_ssl: As in `HTTPConfig`, for the hub and its storage.
        first_byte_timeout: As in `HTTPConfig`.

    Raises:
        InvalidConfig: A token together with `anonymous`.

    Example:
        >>> ModelScopeConfig(endpoint="https://www.modelscope.ai", anonymous=True).endpoint
        'https://www.modelscope.ai'
    """

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    anonymous: bool = False
    verify_ssl: bool | str | os.PathLike[str] = True
    first_byte_timeout: float | None = None

    def __post_init__(self) -> None:
        paths_as_text(self)
        if self.anonymous and self.token:
            raise InvalidConfig("ModelScopeConfig with a token and anonymous", hint="choose one of them")
        check_strings(self)
        check_positive(self, "first_byte_timeout")

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment variables of modelscope_hub.

        Args:
            environ: Environment with `MODELSCOPE_API_TOKEN` and `MODELSCOPE_ENDPOINT`; without the latter,
                `MODELSCOPE_DOMAIN`. An address without "https://" gets it.

        Source: https://github.com/modelscope/modelscope_hub
        """
        endpoint = (environ.get("MODELSCOPE_ENDPOINT") or environ.get("MODELSCOPE_DOMAIN") or "").strip().rstrip("/")
        if endpoint and "://" not in endpoint:
            endpoint = f"https://{endpoint}"
        return cls((environ.get("MODELSCOPE_API_TOKEN") or "").strip() or None, endpoint or None)
