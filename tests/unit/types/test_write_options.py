"""Write options: validation, applying them to the properties of a source, and refusing what a storage lacks."""

from types import MappingProxyType
from typing import Any

import pytest

from sealift import WriteOptions
from sealift.backends.azure.properties import to_headers as to_azure
from sealift.backends.gcs.properties import to_resource as to_gcs
from sealift.backends.gcs.properties import write_query
from sealift.backends.s3.properties import to_headers as to_s3
from sealift.errors import InvalidConfig, UnsupportedOperation
from sealift.types.properties import NO_PROPERTIES, Properties
from sealift.types.write_options import apply_options, check_supported, given_options

SOURCE = Properties("text/csv", cache_control="no-store", metadata={"a": "1", "b": "2"}, tags={"team": "x"})


@pytest.mark.parametrize("name", ["content_type", "cache_control", "expires", "storage_class", "acl", "sse"])
@pytest.mark.parametrize("value", ["", " a", "a\r\nx-amz-acl: public-read", "a\x00", 1])
def test_values_that_cannot_be_sent_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfig, match=rf"WriteOptions\({name}=.* cannot be sent"):
        WriteOptions(**{name: value})


@pytest.mark.parametrize("name", ["storage_class", "acl", "sse", "kms_key_id", "encryption_scope"])
def test_names_of_services_are_ascii(name: str) -> None:
    with pytest.raises(InvalidConfig, match="is not ASCII"):
        WriteOptions(**{name: "ü"})


@pytest.mark.parametrize("value", ["a=b", {"a": 1}, {1: "a"}, [("a", "b")]])
def test_metadata_and_tags_are_mappings_of_texts(value: Any) -> None:
    for name in ("metadata", "tags"):
        with pytest.raises(InvalidConfig, match="is not a mapping of texts"):
            WriteOptions(**{name: value})


def test_a_key_of_s3_excludes_a_kms_key() -> None:
    with pytest.raises(InvalidConfig, match="not with a KMS key"):
        WriteOptions(sse="AES256", kms_key_id="alias/models")


def test_later_changes_of_the_caller_s_mapping_do_not_matter() -> None:
    metadata = {"a": "1"}
    options = WriteOptions(metadata=metadata, tags=MappingProxyType({"b": "2"}))
    metadata["a"] = "2"
    assert (options.metadata, options.tags) == ({"a": "1"}, {"b": "2"})


def test_options_that_are_set() -> None:
    assert given_options(None) == given_options(WriteOptions()) == ()
    assert given_options(WriteOptions(content_type="a/b", metadata={}, bucket_key=False)) == (
        "content_type",
        "metadata",
        "bucket_key",
    )


def test_those_that_a_storage_lacks_are_named() -> None:
    check_supported(WriteOptions(content_type="a/b"), ("content_type",), "gs")
    check_supported(None, (), "gs")
    options = WriteOptions(content_type="a/b", tags={"a": "b"}, sse="AES256")
    with pytest.raises(UnsupportedOperation, match=r"gs:// does not support WriteOptions\(tags=…, sse=…\)"):
        check_supported(options, ("content_type",), "gs")
    with pytest.raises(UnsupportedOperation, match=r"a local path does not support WriteOptions\(content_type=…, "):
        check_supported(options, (), "file")


def test_they_replace_the_properties_of_the_source() -> None:
    assert apply_options(None, SOURCE) is SOURCE
    options = WriteOptions(content_type="application/x-model", metadata={"c": "3"}, storage_class="STANDARD_IA")
    written = apply_options(options, SOURCE)
    assert written == Properties(
        "application/x-model", cache_control="no-store", metadata={"c": "3"}, tags={"team": "x"}, options=options
    )
    assert apply_options(options, written) == written
    assert apply_options(WriteOptions(metadata={}, tags={}), SOURCE).metadata == {}


def test_headers_of_s3() -> None:
    options = WriteOptions(
        content_type="a/b",
        storage_class="GLACIER_IR",
        acl="private",
        sse="aws:kms",
        kms_key_id="alias/m",
        bucket_key=True,
    )
    kept, headers = to_s3(apply_options(options, NO_PROPERTIES), "k")
    assert kept == Properties("a/b")
    assert dict(headers) == {
        "content-type": "a/b",
        "x-amz-storage-class": "GLACIER_IR",
        "x-amz-acl": "private",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "alias/m",
        "x-amz-server-side-encryption-bucket-key-enabled": "true",
    }


def test_a_kms_key_implies_its_encryption() -> None:
    for options in (WriteOptions(kms_key_id="alias/m"), WriteOptions(bucket_key=False)):
        _, headers = to_s3(apply_options(options, NO_PROPERTIES), "k")
        assert ("x-amz-server-side-encryption", "aws:kms") in headers


def test_fields_and_query_of_gs() -> None:
    options = WriteOptions(content_type="a/b", storage_class="NEARLINE", acl="publicRead", kms_key_id="projects/p/k")
    properties = apply_options(options, NO_PROPERTIES)
    assert to_gcs(properties, "k") == {"contentType": "a/b", "storageClass": "NEARLINE"}
    assert write_query(properties, "predefinedAcl") == {"predefinedAcl": "publicRead", "kmsKeyName": "projects/p/k"}
    assert write_query(NO_PROPERTIES) == {}


def test_headers_of_azure() -> None:
    options = WriteOptions(content_type="a/b", storage_class="Cool", encryption_scope="models")
    kept, headers = to_azure(apply_options(options, NO_PROPERTIES), "k")
    assert kept == Properties("a/b")
    assert dict(headers) == {
        "x-ms-blob-content-type": "a/b",
        "x-ms-access-tier": "Cool",
        "x-ms-encryption-scope": "models",
    }


@pytest.mark.parametrize(
    ("convert", "options", "name"),
    [
        (to_azure, WriteOptions(metadata={"a-b": "1"}), "metadata 'a-b'"),
        (to_azure, WriteOptions(metadata={"a": "ü"}), "metadata 'a'"),
        (to_azure, WriteOptions(tags={"a": "?"}), "tags"),
        (to_azure, WriteOptions(cache_control="ü"), "Cache-Control"),
        (to_s3, WriteOptions(metadata={"a b": "1"}), "metadata 'a b'"),
        (to_s3, WriteOptions(metadata={"a": "1", "A": "2"}), "metadata 'A'"),
        (to_s3, WriteOptions(content_type="ü"), "Content-Type"),
        (to_gcs, WriteOptions(content_type="ü"), "Content-Type"),
    ],
)
def test_what_a_service_cannot_store_is_an_error_only_if_the_caller_sets_it(
    convert: Any, options: WriteOptions, name: str
) -> None:
    with pytest.raises(UnsupportedOperation, match=f"cannot store {name} of WriteOptions"):
        convert(apply_options(options, NO_PROPERTIES), "k")
    convert(Properties(metadata=options.metadata or {}, tags=options.tags), "k")


def test_what_the_source_has_is_still_left_out() -> None:
    source = Properties(metadata={"a-b": "1"}, expires="never")
    kept, _ = to_azure(apply_options(WriteOptions(content_type="a/b"), source), "k")
    assert kept == Properties("a/b")
