"""The environment variables of KServe's storage initializer, translated to those that sealift reads.

kserve-storage writes what it derives to `os.environ`. Here the result is a mapping for one call.
Source: https://github.com/kserve/kserve/blob/master/python/storage/README.md
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from ...errors import InvalidConfig
from ...types import Limits
from .ca_bundle import global_ca_bundle, trust_ca_bundle
from .storage_spec import variables_of_storage_spec

__all__ = ["limits_of", "strict", "translated"]

# Where KServe mounts the credentials for container registries: pkg/webhook/admission/pod/oci_fetch.go
_DOCKER_CONFIG = "/mnt/oci-fetch-auth/config.json"
_AWS_GLOBAL_ENDPOINT = "https://s3.amazonaws.com"
# boto3 opens so many connections for each file.
_CONNECTIONS_PER_FILE = 10
_AZURE_CONCURRENCY = 4
_READ_TIMEOUT = 30
# Seconds; as kserve-storage gives up a host that does not answer: four attempts of 15 s each.
_PATIENCE = 60.0
_TRUE, _FALSE = "true", "false"


def translated(environ: Mapping[str, str]) -> dict[str, str]:
    """Translate the variables of KServe, so that calls with the result use the pod's credentials.

    Args:
        environ: Environment of the pod.

    Returns:
        A new environment.

    Raises:
        InvalidConfig: The storage specification is not valid.

    Example:
        >>> translated({"AZ_CLIENT_ID": "app", "S3_MAX_ATTEMPTS": "2"})["AZURE_CLIENT_ID"]
        'app'
    """
    result = dict(environ)
    spec = variables_of_storage_spec(environ)
    if "AWS_ACCESS_KEY_ID" in spec:  # the token of another key would invalidate it
        result.pop("AWS_SESSION_TOKEN", None)
        result.pop("AWS_SECURITY_TOKEN", None)
    result |= spec
    _translate_s3(result)
    _translate_azure(result)
    if not result.get("KSERVE_OCI_DOCKER_CONFIG") and os.path.exists(_DOCKER_CONFIG):
        result["KSERVE_OCI_DOCKER_CONFIG"] = _DOCKER_CONFIG
    trust_ca_bundle(result)
    return result


def strict(environ: Mapping[str, str]) -> bool:
    """Whether `SEALIFT_KSERVE_STRICT=1` restores the prefixes of kserve-storage, which need not end at a "/"."""
    return environ.get("SEALIFT_KSERVE_STRICT", "").strip().lower() in {"1", _TRUE}


def limits_of(environ: Mapping[str, str], schemes: Iterable[str]) -> Limits:
    """The limits of a call.

    Args:
        environ: Environment with `S3_CONNECT_TIMEOUT` and `S3_READ_TIMEOUT` (seconds), `S3_MAX_FILE_CONCURRENCY`,
            `S3_MAX_ATTEMPTS`, `AZURE_MAX_FILE_CONCURRENCY` and `AZURE_MAX_CHUNK_CONCURRENCY`. The `SEALIFT_…` variables
            take precedence. Without them, a host that does not answer is given up after 60 s.
        schemes: The schemes of the call's URIs.

    Raises:
        InvalidConfig: A value is not a positive whole number.

    Example:
        >>> limits_of({"S3_MAX_FILE_CONCURRENCY": "2"}, ["s3"]).per_host
        20
    """
    limits = Limits.from_env(environ)
    if not environ.get("SEALIFT_PATIENCE"):
        limits = replace(limits, patience=_PATIENCE)
    connections: list[int] = []
    if "s3" in schemes:
        _count(environ, "S3_MAX_ATTEMPTS", least=0)
        connect, read = _count(environ, "S3_CONNECT_TIMEOUT"), _count(environ, "S3_READ_TIMEOUT")
        if (connect or read) and not environ.get("SEALIFT_IDLE_TIMEOUT"):
            limits = replace(limits, idle_timeout=float(max(connect or 0, read or _READ_TIMEOUT)))
        if files := _count(environ, "S3_MAX_FILE_CONCURRENCY"):
            connections.append(files * _CONNECTIONS_PER_FILE)
    if "azure" in schemes:
        files, chunks = _count(environ, "AZURE_MAX_FILE_CONCURRENCY"), _count(environ, "AZURE_MAX_CHUNK_CONCURRENCY")
        if files or chunks:
            connections.append((files or _AZURE_CONCURRENCY) * (chunks or _AZURE_CONCURRENCY))
    if connections and not environ.get("SEALIFT_PER_HOST"):
        limits = replace(limits, per_host=max(connections))
    return limits


def _translate_s3(environ: dict[str, str]) -> None:
    # kserve-storage takes any other value than these for the contrary.
    for name in ("awsAnonymousCredential", "S3_USER_VIRTUAL_BUCKET", "S3_USE_ACCELERATE"):
        if environ.get(name):
            environ[name] = _TRUE if environ[name].strip().lower() == _TRUE else _FALSE
    if verify := environ.get("S3_VERIFY_SSL"):
        environ["S3_VERIFY_SSL"] = _FALSE if verify.strip().lower() in {"0", _FALSE} else _TRUE
    if region := environ.get("AWS_DEFAULT_REGION"):  # boto3 reads only this one
        environ["AWS_REGION"] = region
    if endpoint := environ.get("AWS_ENDPOINT_URL"):  # kserve-storage passes it to the SDK
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
            environ.pop(name, None)
        if endpoint == _AWS_GLOBAL_ENDPOINT and region not in {None, "", "us-east-1"}:
            environ["S3_USER_VIRTUAL_BUCKET"] = _TRUE
    with suppress(InvalidConfig):  # `limits_of` reports it, if the call needs it
        if (retries := _count(environ, "S3_MAX_ATTEMPTS", least=0)) is not None:
            environ["AWS_MAX_ATTEMPTS"] = str(retries + 1)  # boto3 does not count the first attempt
    if not environ.get("AWS_CA_BUNDLE") and (bundle := global_ca_bundle(environ)):
        environ["AWS_CA_BUNDLE"] = bundle


def _translate_azure(environ: dict[str, str]) -> None:
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
        if value := environ.get(f"AZ_{name}"):
            environ[f"AZURE_{name}"] = value
    key = environ.get("AZURE_STORAGE_ACCESS_KEY", "").strip()
    if not key:
        return
    if environ.get("AZURE_CLIENT_ID"):  # kserve-storage prefers the identity
        del environ["AZURE_STORAGE_ACCESS_KEY"]
    elif "sig=" in key:
        del environ["AZURE_STORAGE_ACCESS_KEY"]
        environ["AZURE_STORAGE_SAS_TOKEN"] = key


def _count(environ: Mapping[str, str], name: str, least: int = 1) -> int | None:
    """The value of a variable that must be a whole number of at least this; None: it is not set."""
    if not (text := environ.get(name, "").strip()):
        return None
    if not text.isascii() or not text.isdigit() or int(text) < least:
        hint = f"set it to a whole number, {least} or more"
        raise InvalidConfig(f"the environment variable {name} is {text!r}", hint=hint)
    return int(text)
