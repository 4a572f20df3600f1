"""Which part of a bad URI an error may show."""

import re

__all__ = ["VERBATIM", "holds_credentials", "shown"]

# In these, "?" and "#" belong to the key, so there is no query that could be a signature.
VERBATIM = {"s3", "gs", "pvc", "hf", "s3a", "s3n", "gcs"}


def shown(text: str) -> str:
    """A bad URI without anything that could be a password or a signature."""
    scheme, separator, rest = text.partition("://")
    # The kind of a hub's repository stands before what could be a user.
    if separator and holds_credentials(re.sub(r"^(models|datasets|spaces)/", "", rest)):
        return f"{scheme}://…"
    return text if not separator or scheme.lower() in VERBATIM else text.partition("?")[0]


def holds_credentials(rest: str) -> bool:
    """Whether the part after "://" contains user:password@.

    A password may contain a "/", "?", "#" or "@" that should have been encoded.
    """
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    return "@" in authority or (":" in authority and "@" in rest)
