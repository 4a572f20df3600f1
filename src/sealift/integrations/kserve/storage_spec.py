"""`STORAGE_CONFIG` and `STORAGE_OVERRIDE_CONFIG`: the credentials of KServe's storage specification, as variables.

Source: https://kserve.github.io/website/docs/model-serving/storage/storage-containers/storage-spec, and the variables
that kserve-storage sets in its own environment:
https://github.com/kserve/kserve/blob/master/python/storage/kserve_storage/kserve_storage.py
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InvalidConfig
from .memory_file import memory_file

__all__ = ["variables_of_storage_spec"]

_VARIABLES = {
    "s3": {
        "endpoint_url": "AWS_ENDPOINT_URL",
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
        "region": "AWS_DEFAULT_REGION",
        "ca_bundle": "AWS_CA_BUNDLE",
        "cabundle_configmap": "AWS_CA_BUNDLE_CONFIGMAP",
        "verify_ssl": "S3_VERIFY_SSL",
        "anonymous": "awsAnonymousCredential",
    },
    "azure": {
        "account_name": "AZURE_STORAGE_ACCOUNT",
        "account_key": "AZURE_STORAGE_KEY",
        "access_key": "AZURE_STORAGE_KEY",
        "sas_token": "AZURE_STORAGE_SAS_TOKEN",
        "connection_string": "AZURE_STORAGE_CONNECTION_STRING",
        "endpoint_url": "AZURE_STORAGE_SERVICE_ENDPOINT",
        "tenant_id": "AZURE_TENANT_ID",
        "client_id": "AZURE_CLIENT_ID",
        "client_secret": "AZURE_CLIENT_SECRET",
    },
    "gs": {"endpoint_url": "STORAGE_EMULATOR_HOST"},
    "hf": {"token": "HF_TOKEN"},
}
_ALIASES = {"gcs": "gs", "webhdfs": "hdfs"}
# The fields of a service account's key file: https://google.aip.dev/auth/4112
_KEY_FIELDS = ("private_key", "private_key_id", "client_email", "client_id", "project_id", "token_uri")
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
# Where KServe mounts the secret for HDFS: pkg/credentials/hdfs/hdfs_secret.go
_HDFS_DIRECTORY = "/var/secrets/kserve-hdfscreds"
# Its entries: files, which a specification encodes in Base64, and texts.
_HDFS_FILES = ("KERBEROS_KEYTAB", "TLS_CERT", "TLS_KEY", "TLS_CA")
_HDFS_TEXTS = (
    "HDFS_NAMENODE", "HDFS_ROOTPATH", "USER_PROXY", "HEADERS", "N_THREADS", "TLS_SKIP_VERIFY", "KERBEROS_PRINCIPAL",
)  # fmt: skip


def variables_of_storage_spec(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that the storage specification of a pod stands for.

    Args:
        environ: Environment with `STORAGE_CONFIG` and `STORAGE_OVERRIDE_CONFIG`, JSON objects. Values of the second
            one take precedence.

    Returns:
        Variable → value; they take precedence over those of the environment.

    Raises:
        InvalidConfig: A variable is not a JSON object, or a value has the wrong type. The message shows no value.

    Example:
        >>> spec = '{"type": "s3", "region": "eu-west-1", "verify_ssl": "0"}'
        >>> variables_of_storage_spec({"STORAGE_CONFIG": spec})
        {'AWS_DEFAULT_REGION': 'eu-west-1', 'S3_VERIFY_SSL': '0'}
    """
    spec = {**_parsed(environ, "STORAGE_CONFIG"), **_parsed(environ, "STORAGE_OVERRIDE_CONFIG")}
    kind = str(spec.get("type") or "")
    kind = _ALIASES.get(kind, kind)
    table = _VARIABLES.get(kind, {})
    variables = {table[key]: _text(key, value) for key, value in spec.items() if key in table and value is not None}
    if kind == "gs" and (key_file := _service_account(spec)) is not None:
        variables["GOOGLE_APPLICATION_CREDENTIALS"] = key_file
    if kind == "hdfs":
        variables |= {key: _text(key, spec[key]) for key in _HDFS_TEXTS if spec.get(key) is not None}
        variables |= {key: memory_file(_decoded(key, spec[key])) for key in _HDFS_FILES if spec.get(key) is not None}
    else:
        variables |= _mounted_hdfs_secret(environ)
    return variables


def _mounted_hdfs_secret(environ: Mapping[str, str]) -> dict[str, str]:
    """The entries of a secret for HDFS that is mounted into the pod, a file each."""
    directory = environ.get("HDFS_SECRET_DIR") or _HDFS_DIRECTORY
    if not os.path.isdir(directory):
        return {}
    paths = {key: os.path.join(directory, key) for key in (*_HDFS_TEXTS, *_HDFS_FILES)}
    found = {key: path for key, path in paths.items() if os.path.isfile(path)}
    return {key: path if key in _HDFS_FILES else _read(path) for key, path in found.items()}


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidConfig(f"the secret for HDFS, {path}, cannot be read: {reason}") from None


def _parsed(environ: Mapping[str, str], variable: str) -> dict[str, Any]:
    text = environ.get(variable, "").strip()
    try:
        content = json.loads(text or "{}") or {}  # "null" is nothing
    except ValueError:  # the error of the parser quotes the text, which holds secrets
        content = None
    if not isinstance(content, dict):
        raise InvalidConfig(
            f"the environment variable {variable} is not a JSON object", hint='for example {"type": "s3", …}'
        )
    return content


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidConfig(f"the value of {key!r} in the storage specification is not a string")


def _service_account(spec: Mapping[str, Any]) -> str | None:
    """Path of the key file of a service account, whose fields or Base64 text are in the specification."""
    if (encoded := spec.get("base64_service_account")) is not None:
        return memory_file(_decoded("base64_service_account", encoded))
    if spec.get("private_key") is None:
        return None
    fields = {key: _text(key, spec[key]) for key in _KEY_FIELDS if spec.get(key) is not None}
    key = {"type": "service_account", "token_uri": _TOKEN_URI, **fields}
    return memory_file(json.dumps(key).encode())


def _decoded(key: str, value: Any) -> bytes:
    try:
        return base64.b64decode(_text(key, value), validate=False)
    except ValueError:
        raise InvalidConfig(f"the value of {key!r} in the storage specification is not Base64") from None
