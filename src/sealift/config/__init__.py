"""Service configuration: endpoints, credentials, TLS. One file per service, and `from_env` in each.

Configurations are immutable and never show secrets in their repr. `from_env` takes the environment as an argument, so
that tests and multi-tenant servers can pass their own.
"""

from .azure import AzureConfig
from .config_map import ConfigMap, StorageConfig, StorageConfigs, check_config
from .environment import expand_home, state_directory, wants_uvloop
from .gcs import GCSConfig
from .git import GitConfig
from .hdfs import HDFSConfig
from .http import HTTPConfig
from .huggingface import HFConfig
from .modelscope import ModelScopeConfig
from .oci import OCIConfig
from .proxies import Proxies
from .pvc import PVCConfig
from .s3 import S3Config

__all__ = [
    "AUTHENTICATION_METHODS",
    "AzureConfig",
    "ConfigMap",
    "GCSConfig",
    "GitConfig",
    "HDFSConfig",
    "HFConfig",
    "HTTPConfig",
    "ModelScopeConfig",
    "OCIConfig",
    "PVCConfig",
    "Proxies",
    "S3Config",
    "StorageConfig",
    "StorageConfigs",
    "check_config",
    "expand_home",
    "state_directory",
    "wants_uvloop",
]

# Part of the KServe API; BACKENDS.md describes how to use each method.
AUTHENTICATION_METHODS = {
    "s3": ["access_key", "iam_role", "instance_profile"],
    "gs": ["service_account", "default_credentials", "workload_identity"],
    "azure": ["account_key", "sas_token", "managed_identity"],
    "hf": ["access_token", "login"],
    "modelscope": ["access_token"],
    "git+https": ["password"],
    "hdfs": ["user_name", "delegation_token", "client_certificate", "kerberos"],
    "oci": ["password", "docker_config", "credential_helper"],
}
