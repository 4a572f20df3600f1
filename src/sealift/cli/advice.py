"""Translate the advice in errors, which names arguments of the Python API, to options and variables.

The modules below the command line do not know its options. `tests/unit/cli/test_advice.py` checks that every hint in
the source code is translated.
"""

import re
from collections.abc import Callable, Iterable

from ..errors import InvalidConfig, StorageError, UnsupportedOperation

__all__ = ["error_text", "translated"]

# Options with another name than that of the field of `WriteOptions`.
_WRITE_OPTIONS = {"tags": "tag", "kms_key_id": "sse-kms-key-id"}
# Fields of `WriteOptions` without an option.
_NO_OPTIONS = {"bucket_key"}


def _write_options(match: re.Match[str]) -> str:
    """The options for the names in a match."""
    names = [name for name in re.findall(r"\w+", match["names"]) if name not in _NO_OPTIONS]
    return match["before"] + ", ".join(f"--{_WRITE_OPTIONS.get(name, name).replace('_', '-')}" for name in names)


# Python's spelling, as a regular expression, and that of the command line. The first ones are parts of others.
_ARGUMENTS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"Limits\(part_size=(\d+)\)(?: or None)?", r"--part-size \1"),
    (r"Limits\(part_size=…\)", "--part-size"),
    (r"Limits\((memory|connections|patience)=…\)", r"--\1"),
    (r"Limits\((memory|connections|patience)=([^()]*)\)", r"--\1 \2"),
    (r"Limits\(bandwidth=([^()]*)\)", r"--bwlimit \1"),
    (r"HFConfig\(revision=([^()]*)\)", r"--revision \1"),
    (r"HTTPConfig\(headers=[^()]*\)", "--header"),
    (r"(?P<before>)WriteOptions\((?P<names>\w+=…(?:, \w+=…)*)\)", _write_options),
    (r"(?P<before>)WriteOptions\((?P<names>\w+)(?==)", _write_options),
    (r"(--[\w-]+)=(['\"].*['\"])\)(?= (?:cannot be sent|is not ASCII|encrypts with)\b)", r"\1 \2"),
    (r"S3Config\(requester_pays=…\)", "--request-payer"),
    (r"S3Config\(customer_key=…\)", "--sse-c-key"),
    (r"\bversion_id=…", "--version-id"),
    (r"\bversion_id=(?=['\"])", "--version-id "),
    (r"\bexpires_in=(?=\d)", "--expires-in "),
    (r"AzureConfig is for the account", "--account is"),
    (r"HFConfig with a token and anonymous", "--token with --anonymous"),
    (r"Trust (does not say|names several)", r"--signature \1"),
    (r"a keyless signature needs identity and issuer", "a keyless signature needs --identity and --issuer"),
    (r"verify=False cannot be combined with trust", "--verify no cannot be combined with --signature"),
    (r"existing='skip' cannot be combined with trust", "--existing skip cannot be combined with --signature"),
    (r"on_error='continue' cannot be combined with trust", "--on-error continue cannot be combined with --signature"),
)
_ADVICE: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"pass its key: AzureConfig\(customer_key=…\), or its scope: ", "pass its scope, if it has one: "),
    (r"use https, or, for tests, \w+Config\(customer_key_over_http=True\)", "use https"),
    *_ARGUMENTS,
    (r"(?P<before>^it has )(?P<names>\w+(?:, \w+)*)$", _write_options),
    (r"; None leaves it out$", ""),
    (r"leave out version_id$", "omit --version-id"),
    (r"pass one of them: key, certificate_chain,", "pass one of them: --public-key, --certificate-chain,"),
    (r"(?<=, )or identity and issuer$", "or --identity and --issuer"),
    (r"Trust\('…/model.sig', key=…\)", "pass --signature and --public-key"),
    (r"Trust\(…, identity=…, issuer=…\)", "pass both"),
    (r"^trust_root=…$", "pass another --trust-root"),
    (r"^omit account_name, or pass the configuration of the URI's account$", "omit --account"),
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
    return _replaced(text, _ARGUMENTS) if isinstance(error, InvalidConfig | UnsupportedOperation) else text


def translated(hint: str) -> str:
    """Translate a hint.

    Example:
        >>> translated("Limits(memory=1048576) or more")
        '--memory 1048576 or more'
    """
    return _replaced(hint, _ADVICE)


def _replaced(text: str, rules: Iterable[tuple[str, str | Callable[[re.Match[str]], str]]]) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text
