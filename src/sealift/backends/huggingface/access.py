"""The hub of a repository, and the token that is sent to it."""

from dataclasses import field

from ...config import HFConfig
from ...errors import AccessDenied
from ...frozen_dataclass import dataclass
from ...instance import Instance
from ...wire import Origin

__all__ = ["Access", "access_of"]

_ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Access:
    """A hub and its token.

    Attributes:
        endpoint: URL of the hub.
        token: Access token. None: requests are anonymous.
        source: Where the token comes from, for messages.
    """

    endpoint: str
    token: str | None = field(repr=False)
    source: str


async def access_of(config: HFConfig, environment: HFConfig, instance: Instance) -> Access:
    """Resolve the hub and the token.

    Args:
        config: The configuration.
        environment: The configuration of the environment, which supplies what `config` leaves open.
        instance: Reads the token file.

    Raises:
        AccessDenied: The token file cannot be read.
    """
    credentials = config if config.anonymous or config.token or config.token_file else environment
    default = environment.endpoint or _ENDPOINT
    endpoint = config.endpoint or default
    if credentials is environment and Origin.of(endpoint) != Origin.of(default):
        return Access(endpoint, None, "")  # do not send the environment's token to another hub
    if credentials.token:
        return Access(endpoint, credentials.token, "HF_TOKEN" if credentials is environment else "the configuration")
    if credentials.token_file is None:
        return Access(endpoint, None, "")
    return Access(endpoint, await _read_token(credentials.token_file, instance), credentials.token_file)


async def _read_token(file: str, instance: Instance) -> str | None:
    """Read the token stored by `hf auth login`; None if the file does not exist or is empty."""
    try:
        return (await instance.disk.read_file(file)).decode().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not a text file"
        raise AccessDenied(f"the token file {file} cannot be read: {reason}", hint="run hf auth login") from None
