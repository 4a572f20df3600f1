"""Fixtures for all tests here: an environment without accounts, and allowances for blocking calls in the SDKs."""

import os
from pathlib import Path

import pytest
from blockbuster import BlockBuster

_ACCOUNTS = ("AWS_", "AZURE_", "AZ_", "CLOUDSDK_", "GCE_", "GOOGLE_", "IDENTITY_", "MSI_", "STORAGE_EMULATOR_")
_READ = {"S3_VERIFY_SSL", "S3_ENDPOINT", "S3_USE_HTTPS", "S3_USER_VIRTUAL_BUCKET", "awsAnonymousCredential"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Remove the user's accounts, endpoints and proxies from the environment. Returns the new home directory."""
    for name in list(os.environ):
        if name.startswith(_ACCOUNTS) or name in _READ or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")  # closed port
    return home


@pytest.fixture(autouse=True)
def what_may_block(no_blocking_calls: BlockBuster) -> None:
    """Allow the blocking file reads of the SDKs, which read files on the event loop."""
    for function in no_blocking_calls.functions.values():
        function.can_block_in("botocore/loaders.py", {"load_data", "load_data_with_path", "load_service_model"})
        function.can_block_in("botocore/configloader.py", {"raw_config_parse"})
        # "__call__" belongs to FileWebIdentityTokenLoader.
        function.can_block_in("botocore/utils.py", {"__call__", "parse_key_val_file"})
