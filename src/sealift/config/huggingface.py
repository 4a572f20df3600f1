"""The Hugging Face Hub."""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Self

from ..errors import InvalidConfig
from ..frozen_dataclass import dataclass, short_repr
from .checks import check_positive, check_strings, flag, paths_as_text
from .environment import expand_home

__all__ = ["HFConfig"]


@dataclass(frozen=True, slots=True)
class HFConfig:
    """The Hugging Face Hub.

    Fields that are None are read from the environment; see `from_env`.

    Args:
        token: Access token. None: the token in `token_file`, or the environment's, which is sent only to the
            environment's hub (`HF_ENDPOINT`, or https://huggingface.co).
        endpoint: Address of another hub, such as "https://hub.example.com". None: `HF_ENDPOINT`, or
            https://huggingface.co.
        token_file: File written by `hf auth login`. A missing file counts as no token.
        anonymous: Send no token, even if the environment has one.
        offline: Fail instead of sending requests to the hub.
        verify_ssl: As in `HTTPConfig`, for the hub and its storage.
        first_byte_timeout: As in `HTTPConfig`; a mirror may fetch a file first.
        revision: Branch, tag or commit of the repositories whose URIs name none, such as "v1.0" or "feature/x". None:
            their branch "main".

    Raises:
        InvalidConfig: A token together with `anonymous`, an endpoint that is not an http or https URL, or a revision
            that is not a valid Git name.

    Example:
        >>> HFConfig(endpoint="https://hub.example.com", anonymous=True).endpoint
        'https://hub.example.com'
    """

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    token_file: str | os.PathLike[str] | None = None
    anonymous: bool = False
    offline: bool = False
    verify_ssl: bool | str | os.PathLike[str] = True
    first_byte_timeout: float | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        paths_as_text(self)
        if self.anonymous and (self.token or self.token_file):
            raise InvalidConfig("HFConfig with a token and anonymous", hint="choose one of them")
        check_strings(self)
        check_positive(self, "first_byte_timeout")
        if self.revision is not None:
            from ..uris.hub import is_revision  # noqa: PLC0415 - few programs set it

            if not is_revision(self.revision):
                raise InvalidConfig(
                    f"HFConfig(revision={self.revision!r}) is not a valid Git name", hint="name a branch, tag or commit"
                )

    __repr__ = short_repr

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the environment variables of huggingface_hub.

        Args:
            environ: Environment with `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_HUB_DISABLE_IMPLICIT_TOKEN`.
                The token file is `HF_TOKEN_PATH`, or `token` in `HF_HOME`, in `XDG_CACHE_HOME/huggingface` or in
                `~/.cache/huggingface`.

        Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
        """
        cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
        directory = environ.get("HF_HOME") or f"{cache}/huggingface"
        file = environ.get("HF_TOKEN_PATH") or f"{directory}/token"
        file = expand_home(file, environ)
        token = (environ.get("HF_TOKEN") or environ.get("HUGGING_FACE_HUB_TOKEN") or "").strip()
        anonymous = flag(environ, "HF_HUB_DISABLE_IMPLICIT_TOKEN") or False
        return cls(
            token=None if anonymous else token or None,
            endpoint=environ.get("HF_ENDPOINT") or None,
            token_file=None if anonymous else file or None,
            anonymous=anonymous,
            offline=flag(environ, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") or False,
        )
