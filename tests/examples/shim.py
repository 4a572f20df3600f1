"""Checks of `sealift.kserve.install()` that hold with and without KServe, as a program."""

CHECKS = """
import importlib.util
import pickle

import kserve
import kserve.errors
import kserve.storage
import sealift
from kserve import Storage as FromPackage
from kserve.errors import InferenceError, InvalidInput, ModelMissingError, ModelNotFound, StorageError
from kserve.storage import (
    AUTHENTICATION_METHODS,
    AZURE_URI_FORMAT,
    GCS_URI_FORMAT,
    HF_URI_FORMAT,
    HTTP_URI_FORMAT,
    LOCAL_URI_FORMAT,
    PVC_URI_FORMAT,
    S3_URI_FORMAT,
    SUPPORTED_PROTOCOLS,
    AzureConfig,
    GCSConfig,
    LocalPath,
    ObjectList,
    S3Config,
    Storage,
    StorageConfig,
    StorageMetadata,
    StorageOperations,
    StorageURI,
)

from kserve_storage import Storage as OfDirectories, configure_logging, logger
import kserve_storage.kserve_storage

assert kserve_storage.kserve_storage.Storage is OfDirectories is not Storage
assert logger.name == "storage.initializer" and callable(configure_logging)
assert Storage is FromPackage is kserve.Storage is kserve.storage.Storage is sealift.Storage
assert StorageOperations is sealift.StorageOperations
assert S3Config is sealift.S3Config
assert set(SUPPORTED_PROTOCOLS) >= {"s3", "gs", "azure", "pvc", "file", "http", "https", "hf"}
assert all(Storage.get_storage_spec(uri) for uri in (S3_URI_FORMAT, GCS_URI_FORMAT, AZURE_URI_FORMAT, HTTP_URI_FORMAT))
assert importlib.util.find_spec("kserve.storage") is not None
assert StorageError is sealift.StorageError

# The names in kserve.errors catch sealift's errors.
for call, caught in (
    (lambda: Storage.download("/nowhere/model"), ModelMissingError),
    (lambda: Storage.download("/nowhere/model"), FileNotFoundError),
    (lambda: Storage.download("/nowhere/model"), StorageError),
    (lambda: Storage.download("/nowhere/model"), RuntimeError),
    (lambda: Storage.get_storage_spec("s3://"), InvalidInput),
    (lambda: S3Config("half a key pair"), InvalidInput),
    (lambda: S3Config("half a key pair"), ValueError),
):
    try:
        call()
    except caught as error:
        assert isinstance(error, StorageError)
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
    else:
        raise AssertionError

# They can be raised as documented.
for error, text in (
    (ModelMissingError("iris"), "iris"),
    (ModelNotFound("iris"), "Model with name iris does not exist."),
    (InferenceError("no"), "no"),
    (InvalidInput("odd"), "odd"),
):
    assert text in str(error)
"""
