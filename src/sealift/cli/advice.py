"""Translate the advice in errors, which names arguments of the Python API, to options and variables.

The modules below the command line do not know its options. `tests/unit/cli/test_advice.py` checks that every hint in
the source code is translated.
"""

import re

from ..errors import InvalidConfig, StorageError

__all__ = ["error_text", "translated"]

# Python's spelling, as a regular expression, and that of the command line. The first ones are parts of others.
_ARGUMENTS = (
    (r"Limits\(part_size=(\d+)\)(?: or None)?", r"--part-size \1"),
    (r"Limits\(part_size=…\)", "--part-size"),
    (r"Limits\((memory|connections|patience)=…\)", r"--\1"),
    (r"Limits\((memory|connections|patience)=([^()]*)\)", r"--\1 \2"),
    (r"Limits\(bandwidth=([^()]*)\)", r"--bwlimit \1"),
    (r"HFConfig\(revision=([^()]*)\)", r"--revision \1"),
    (r"HTTPConfig\(headers=[^()]*\)", "--header"),
)
_ADVICE = (
    *_ARGUMENTS,
    (r"pass recursive=True", "use -r to include everything under it"),
    (r"use delete\(recursive=True\)", "use sealift rm -r"),
    (r"pass delete_snapshots=True", "use --delete-snapshots include"),
    (r"use copy(?:\(\))?(?= between storages|$)", "use sealift cp"),
    (r"to stream an object, use stream\(\)", "to stream an object, use sealift cat"),
    (r'use sse="aws:kms"', "use --sse aws:kms"),
    (r"verify=False with download or copy", "use --verify no"),
    (r"verify=True compares", "--verify yes compares"),
    (r'verify="require" fails', "--verify require fails"),
    (r"to allow more: unpack=Unpack\(…\)", "in Python, unpack=Unpack(…) allows more"),
    (r"set verify_ssl to a PEM file with the CA certificate", "use --ca-bundle with the CA certificate"),
    # Amazon S3
    (r"pass S3Config\(…\), or S3Config\(anonymous=True\)", "use --profile, or --anonymous for public data"),
    (r"pass credentials instead of anonymous=True", "omit --anonymous"),
    (r"pass S3Config with credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --profile"),
    (r"S3Config\(checksum=None\) or ", "set "),
    (
        r"pass them in a configuration, such as S3Config",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the variables of the service",
    ),
    # Google Cloud Storage
    (r"pass GCSConfig\(service_account_key=…\) or GCSConfig\(anonymous=True\)", "use --anonymous for public data"),
    (r"pass GCSConfig\(service_account_key=…\)", "set GOOGLE_APPLICATION_CREDENTIALS to its file"),
    (r"pass GCSConfig\(project_id=…\)", "use --project"),
    (
        r"sign in with GCSConfig\(service_account_key=…\) or gcloud's default credentials",
        "set GOOGLE_APPLICATION_CREDENTIALS or run 'gcloud auth application-default login'",
    ),
    (r"use https, or GCSConfig\(anonymous=True\)", "use https, or --anonymous"),
    # Azure
    (r"pass AzureConfig\(…\), or AzureConfig\(anonymous=True\)", "or use --anonymous for public data"),
    (
        r"pass AzureConfig\(account_name=…, account_key=…\)",
        "use --account, and set AZURE_STORAGE_KEY",
    ),
    (r"AzureConfig\(account_name=…\), AZURE_STORAGE_ACCOUNT", "--account, AZURE_STORAGE_ACCOUNT"),
    (r"pass an AzureConfig$", "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"),
    (r"AzureConfig for credentials", "AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN for credentials"),
    (r"AzureConfig\(sas_token=…\)", "AZURE_STORAGE_SAS_TOKEN"),
    (r"AzureConfig\(endpoint_url=…\)", "--endpoint-url"),
    # Hugging Face Hub
    (r"HFConfig\(token=…\), or, for the hub of HF_ENDPOINT, HF_TOKEN", "HF_TOKEN"),
    (r"HFConfig\(token=…\)", "HF_TOKEN"),
    # ModelScope, Git and HDFS
    (r"ModelScopeConfig\(token=…\), or ", ""),
    (r"GitConfig\(username=…, password=…\), or, over https, (GIT_USERNAME and GIT_PASSWORD)", r"\1, over https"),
    (r"GitConfig\(username=…, password=…\), or ", ""),
    (r"HDFSConfig\(namenode=[^()]*\) or ", ""),
    (r"pass an HDFSConfig for this namenode", "change HDFS_NAMENODE"),
    (r"HDFSConfig\(principal=…, keytab=…\)", "KERBEROS_PRINCIPAL and KERBEROS_KEYTAB"),
    (r"HDFSConfig\(delegation_token=…\)", "HDFS_DELEGATION_TOKEN"),
    (
        r"HDFSConfig\(user=…\), delegation_token=… or kerberos=True",
        "HADOOP_USER_NAME, HDFS_DELEGATION_TOKEN or KERBEROS_PRINCIPAL",
    ),
    (r"HDFSConfig\(user=…, delegation_token=…\), or HADOOP_USER_NAME", "HADOOP_USER_NAME or HDFS_DELEGATION_TOKEN"),
    # container registries
    (r", or (?:check|pass) OCIConfig\(username=…, password=…\)", ""),
    (r"OCIConfig\(username=…, password=…\), or docker login", "docker login"),
    (r"OCIConfig\(platform=…\) or DOCKER_DEFAULT_PLATFORM", "DOCKER_DEFAULT_PLATFORM"),
    # web servers
    (r"pass them as --header", "pass them with --header"),
    (r"the headers of HTTPConfig", "the headers of --header"),
    # volumes
    (r" or PVCConfig\(mounts=…\)", ""),
)


def error_text(error: StorageError) -> str:
    """Return the text of an error, with advice about options instead of arguments."""
    text = error.message(error.hint and translated(error.hint))
    return _replaced(text, _ARGUMENTS) if isinstance(error, InvalidConfig) else text


def translated(hint: str) -> str:
    """Translate a hint.

    Example:
        >>> translated("Limits(memory=1048576) or more")
        '--memory 1048576 or more'
    """
    return _replaced(hint, _ADVICE)


def _replaced(text: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text
