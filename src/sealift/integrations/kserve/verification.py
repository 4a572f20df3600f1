"""`VERIFICATION_DIGEST`: the SHA-256 that the file or archive of a model must have.

As proposed for KServe: https://github.com/kserve/kserve/pull/6051
"""

from collections.abc import Mapping

from ...errors import InvalidConfig, UnsupportedOperation
from ...types.trust import Trust

__all__ = ["not_comparable", "trust_of"]

_VARIABLE = "VERIFICATION_DIGEST"


def trust_of(environ: Mapping[str, str], models: int) -> Trust | None:
    """What a model is compared with. None: nothing was set.

    Args:
        environ: Environment with `VERIFICATION_DIGEST`: "sha256:" and 64 hex digits.
        models: How many models are downloaded.

    Raises:
        InvalidConfig: It is not such a digest, or there are several models.
    """
    digest = environ.get(_VARIABLE, "").strip().lower()
    if not digest:
        return None
    if models > 1:
        raise InvalidConfig(f"{_VARIABLE} is the digest of one model, but there are {models}")
    try:
        return Trust(digest=digest)
    except InvalidConfig as error:
        raise InvalidConfig(f"the environment variable {_VARIABLE}: {error.cause}") from None


def not_comparable(uri: str) -> UnsupportedOperation:
    """The error for a model that is not downloaded, so that it cannot be compared.

    Args:
        uri: The model.
    """
    return UnsupportedOperation(f"{_VARIABLE} is set, but {uri} is local: it is linked, and cannot be compared")
