"""Public names of the package, and the modules that importing it loads."""

import importlib
import importlib.metadata
import json
import os
import pkgutil
import subprocess
import sys

import pytest

import sealift

# Names in the API specification that sealift provides, and the methods of its classes.
DOCUMENTED = {
    "AZURE_URI_FORMAT", "AzureConfig", "GCSConfig", "GCS_URI_FORMAT", "HF_URI_FORMAT", "HTTP_URI_FORMAT",
    "InferenceError", "InvalidInput", "LOCAL_URI_FORMAT", "LocalPath", "ModelMissingError", "ModelNotFound",
    "ObjectList", "PVC_URI_FORMAT", "S3Config", "S3_URI_FORMAT", "SUPPORTED_PROTOCOLS", "Storage", "StorageConfig",
    "StorageError", "StorageMetadata", "StorageOperations", "StorageURI",
}  # fmt: skip
URI_METHODS = {"is_local", "get_storage_spec"}
METHODS = {
    "Storage": {
        "download", "cached", "upload", "copy", "sync", "delete", "abort_uploads", "read", "read_into", "stream",
        "open", "tensors", "read_ranges", "stat", "exists", "write", "move", "presign", "list_buckets", "list",
        "download_many", "upload_many", "copy_many", "delete_many", "read_many", "verify_signature", *URI_METHODS,
    },
    "StorageOperations": {"list_objects", "get_object_metadata", "delete_object", "copy_object"},
    "AsyncStorage": {
        "download", "cached", "upload", "copy", "copy_object", "sync", "delete", "delete_object", "abort_uploads",
        "list_objects", "get_object_metadata", "read", "read_into", "stream", "open", "tensors", "read_ranges", "stat",
        "exists", "write", "move", "presign", "list_buckets", "list", "download_many", "upload_many", "copy_many",
        "delete_many", "read_many", "verify_signature", "aclose", *URI_METHODS,
    },
}  # fmt: skip
# Parameter and return types of the methods.
VALUES = {
    "AsyncCachedPath", "AsyncReadableFile", "AsyncTensors", "AsyncWritableFile", "CachedPath", "Durability", "Event",
    "Existing", "Limits", "ObjectInfo", "OnError", "OnEvent", "ReadableFile", "Revalidate", "StorageConfig",
    "StorageConfigs", "Symlinks", "Synced", "TensorMeta", "TensorRead", "Tensors", "Trust", "Unpack", "Verify",
    "WritableFile", "WriteOptions",
}  # fmt: skip
# Modules that `import sealift` must not load: SDKs, and anything slower to import than sealift itself.
HEAVY = [
    "aiobotocore", "aiofiles", "aiohttp", "anyio", "asyncio", "awscrt", "azure", "boto3", "botocore", "click",
    "concurrent.futures", "gcloud", "h11", "httpx", "importlib.metadata", "requests", "ssl", "uvloop", "xml.etree",
]  # fmt: skip


def test_all_names_exist_and_are_listed_once() -> None:
    assert len(set(sealift.__all__)) == len(sealift.__all__)
    for name in sealift.__all__:
        assert getattr(sealift, name) is not None
    assert dir(sealift) == sorted(sealift.__all__)


def test_names_of_the_api_specification_exist() -> None:
    assert set(sealift.__all__) >= DOCUMENTED
    for name, methods in METHODS.items():
        assert all(callable(getattr(getattr(sealift, name), method)) for method in methods)


def test_classes_have_no_other_public_methods() -> None:
    for name, methods in METHODS.items():
        assert {method for method in dir(getattr(sealift, name)) if not method.startswith("_")} == methods


def test_parameter_and_return_types_are_exported() -> None:
    assert set(sealift.__all__) >= VALUES


def test_every_public_name_of_the_package_is_listed() -> None:
    public = {name for name in vars(sealift) if not name.startswith("_")}
    modules = {module.name for module in pkgutil.iter_modules(sealift.__path__)}
    assert public - modules - {"TYPE_CHECKING", "Any"} <= set(sealift.__all__)


def test_every_error_is_exported() -> None:
    from sealift import errors

    assert set(errors.__all__) <= set(sealift.__all__)
    assert all(getattr(sealift, name) is getattr(errors, name) for name in errors.__all__)


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Unknown'"):
        _ = sealift.Unknown


def test_version() -> None:
    assert sealift.__version__ == importlib.metadata.version("sealift")


# Programs, and what PyInstaller imports.
_NOT_IMPORTED = ("sealift.demo", "sealift.__main__", "sealift.integrations.pyinstaller.hook-sealift")


def package_modules() -> list[str]:
    found = pkgutil.walk_packages(sealift.__path__, "sealift.")
    return [module.name for module in found if not module.name.startswith(_NOT_IMPORTED)]


@pytest.mark.parametrize("name", package_modules())
def test_names_in_all_exist(name: str) -> None:
    module = importlib.import_module(name)
    assert all(hasattr(module, exported) for exported in getattr(module, "__all__", []))


def loaded_by(statement: str) -> set[str]:
    program = (
        f"import json, sys; before = set(sys.modules); {statement}; print(json.dumps([*set(sys.modules) - before]))"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True
    )
    return set(json.loads(done.stdout))


def test_import_loads_neither_sdks_nor_asyncio() -> None:
    loaded = loaded_by("import sealift; sealift.Storage; sealift.S3Config(); sealift.Storage.is_local('s3://b/k')")
    assert "sealift.api.blocking" in loaded
    assert not {name for name in loaded if any(name == heavy or name.startswith(f"{heavy}.") for heavy in HEAVY)}


def test_async_api_loads_no_sdk() -> None:
    loaded = loaded_by("from sealift import AsyncStorage; AsyncStorage()")
    assert {"asyncio", "sealift.api.async_storage"} <= loaded
    sdks = ("aiobotocore", "botocore", "awscrt", "azure", "gcloud", "aiohttp", "httpx")
    assert not {name for name in loaded if name.partition(".")[0] in sdks}
