"""How to reach and sign in to each service, one file per service; the only modules that read the environment.

Each class is frozen, and its secrets never appear in a repr. `from_env` takes the environment as an argument, so that a
test, or a server with several tenants, can pass its own.
"""

from .azure import AzureConfig
from .environment import expand_home, state_directory, wants_uvloop
from .gcs import GCSConfig
from .http import HTTPConfig
from .huggingface import HFConfig
from .proxies import Proxies
from .pvc import PVCConfig
from .s3 import S3Config

__all__ = [
    "AUTHENTICATION_METHODS",
    "AzureConfig",
    "GCSConfig",
    "HFConfig",
    "HTTPConfig",
    "PVCConfig",
    "Proxies",
    "S3Config",
    "StorageConfig",
    "expand_home",
    "state_directory",
    "wants_uvloop",
]

# Names of the KServe API; BACKENDS.md tells how to use each.
AUTHENTICATION_METHODS = {
    "s3": ["access_key", "iam_role", "instance_profile"],
    "gs": ["service_account", "default_credentials", "workload_identity"],
    "azure": ["account_key", "sas_token", "managed_identity"],
    "hf": ["access_token", "login"],
}


StorageConfig = S3Config | GCSConfig | AzureConfig | HTTPConfig | HFConfig | PVCConfig
