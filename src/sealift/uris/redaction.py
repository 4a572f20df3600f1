"""Remove credentials and signatures from invalid URIs before they are quoted in error messages."""

import re

__all__ = ["VERBATIM", "holds_credentials", "redacted"]

# In these schemes "?" and "#" are part of the key, so there is no query that could contain a signature.
VERBATIM = {"s3", "gs", "pvc", "hf", "modelscope", "oci", "s3a", "s3n", "gcs", "hdfs", "webhdfs", "swebhdfs"}


def redacted(text: str) -> str:
    """Return an invalid URI without any part that could be a password or a signature."""
    scheme, separator, rest = text.partition("://")
    # In hf:// URIs the repository kind precedes the part that may contain credentials.
    if separator and holds_credentials(re.sub(r"^(models|datasets|spaces)/", "", rest)):
        return f"{scheme}://…"
    return text if not separator or scheme.lower() in VERBATIM else text.partition("?")[0]


def holds_credentials(rest: str) -> bool:
    """Check whether the part after "://" may contain user:password@.

    The password may contain unescaped "/", "?", "#" or "@".
    """
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    return "@" in authority or (":" in authority and "@" in rest)
