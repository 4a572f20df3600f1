"""Credentials of workload identity federation: where the subject token comes from.

Source: https://google.aip.dev/auth/4117
"""

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidConfig

__all__ = ["adapt_source"]

_HINT = (
    "supported are tokens in a file (--credential-source-file of `gcloud iam workload-identity-pools "
    "create-cred-config`), from a URL (--credential-source-url) or in an environment variable, and service account keys"
)


def adapt_source(path: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """Adapt the `credential_source` of an external account for gcloud-aio-auth, and `TokenSession`.

    Args:
        path: The credentials file, for errors.
        source: The `credential_source` in it.

    Raises:
        InvalidConfig: The subject token comes from AWS, an executable, a certificate, or from nowhere.
    """
    if isinstance(source.get("file"), str):
        # The SDK would read the file in the event loop. As a URL, `TokenSession` reads it on a thread.
        return {**source, "type": "url", "url": f"file:{source['file']}"}
    if source.get("type") == "environment":
        # The SDK would read the variable from this process's environment.
        return {"type": "url", "url": f"environ:{source.get('environment_id')}"}
    if str(source.get("environment_id") or "").startswith("aws"):
        kind = "AWS credentials"
    elif "executable" in source:
        kind = "an executable"
    elif "certificate" in source:
        kind = "an X.509 certificate"
    elif isinstance(source.get("url"), str):
        return dict(source)
    else:
        kind = "an unknown credential_source"
    raise InvalidConfig(
        f"the credentials in {path} cannot be used: they federate the identity of {kind}, which is not supported",
        hint=_HINT,
    )
