"""Errors: class hierarchy as documented, pickling, messages."""

import pickle
import re
from typing import Any

import pytest

from sealift import errors
from sealift.errors import (
    AccessDenied,
    InferenceError,
    InvalidConfig,
    InvalidInput,
    InvalidURI,
    ModelMissingError,
    ModelNotFound,
    ServiceError,
    Skipped,
    StorageError,
)

EXPORTED = {name: getattr(errors, name) for name in errors.__all__}
CLASSES: dict[str, type[Exception]] = {
    name: kind for name, kind in EXPORTED.items() if isinstance(kind, type) and issubclass(kind, Exception)
}
OF_STORAGE = sorted(name for name, kind in CLASSES.items() if issubclass(kind, StorageError))


def documented_tree() -> dict[str, str]:
    """Parse the tree in the module docstring: class → second base class, or ""."""
    lines = re.findall(r"^    [├└]── (\w+)(?: \((\w+)\))?  ", errors.__doc__ or "", re.MULTILINE)
    return dict(lines)


def test_every_class_is_documented_and_exists() -> None:
    branches = set(documented_tree())
    assert branches == set(OF_STORAGE) - {"StorageError"}
    roots = set(re.findall(r"\b[A-Z]\w+\b", re.sub(r"[├└]── .*", "", errors.__doc__ or ""))) & set(CLASSES)
    assert branches | roots == set(CLASSES)


@pytest.mark.parametrize(("name", "base"), documented_tree().items())
def test_base_classes_match_the_documentation(name: str, base: str) -> None:
    kind = CLASSES[name]
    if base in OF_STORAGE:
        assert kind.__bases__ == (CLASSES[base],)
        return
    assert kind.__bases__[0] is StorageError
    assert [other.__name__ for other in kind.__bases__[1:]] == ([base] if base else [])


def test_root_classes_match_the_documentation() -> None:
    assert StorageError.__bases__ == (RuntimeError,)
    assert InvalidInput.__bases__ == (ValueError,)


@pytest.mark.parametrize("name", OF_STORAGE)
def test_every_storage_error_is_a_runtime_error(name: str) -> None:
    with pytest.raises(RuntimeError, match="something"):
        raise CLASSES[name]("something")


def test_builtin_base_classes() -> None:
    with pytest.raises(FileNotFoundError):
        raise ModelMissingError("iris/model.joblib")
    with pytest.raises(PermissionError):
        raise AccessDenied("no")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "it broke"),
        ({"hint": "fix it"}, "it broke (fix it)"),
        ({"operation": "list"}, "list: it broke"),
        ({"uri": "s3://b/k"}, "s3://b/k: it broke"),
        ({"operation": "list", "uri": "s3://b/k"}, "list s3://b/k: it broke"),
        ({"operation": "list", "uri": "s3://b/k", "hint": "fix it"}, "list s3://b/k: it broke (fix it)"),
        ({"status": 503, "code": "SlowDown", "retryable": True, "retry_after": 3.0}, "it broke"),
    ],
)
def test_message(fields: dict[str, Any], text: str) -> None:
    assert str(StorageError("it broke", **fields)) == text


def test_about_keeps_existing_values() -> None:
    error = ServiceError("it broke")
    assert error.about("download", "s3://b/k") is error
    error.about("copy", "s3://other/k")
    assert str(error) == "download s3://b/k: it broke"


def test_missing_model_has_its_path() -> None:
    error = ModelMissingError("iris/model.joblib")
    assert (error.path, str(error)) == ("iris/model.joblib", "iris/model.joblib does not exist")
    error = ModelMissingError("iris", cause="there is no object 'iris'", hint="check the key")
    assert (error.path, str(error)) == ("iris", "there is no object 'iris' (check the key)")


def test_reason_of_invalid_input() -> None:
    for error in (InvalidInput("it is odd"), InvalidURI("it is odd", uri="x"), InvalidConfig("it is odd", hint="even")):
        assert error.reason == "it is odd"
        assert "it is odd" in str(error)


def test_kserve_errors() -> None:
    assert str(ModelNotFound("iris")) == "Model with name iris does not exist."
    assert str(ModelNotFound()) == "Model does not exist."
    error = InferenceError("no", "500", "more")
    assert (error.reason, error.status, error.debug_details, str(error)) == ("no", "500", "more", "no (status 500)")


FULL: dict[str, dict[str, Any]] = {
    "StorageError": {
        "hint": "h", "operation": "o", "uri": "u", "status": 503, "code": "c", "retryable": True, "retry_after": 2.5,
    },
    "ModelMissingError": {"cause": "gone", "hint": "h", "uri": "u", "status": 404, "code": "NoSuchKey"},
    "IncompleteError": {"skipped": (Skipped("k", "special file", "FIFO"),), "under": "m/"},
    "InvalidURI": {"hint": "h", "uri": "u"},
    "InvalidConfig": {"hint": "h"},
    "InferenceError": {"status": "500", "debug_details": "d"},
    "InvalidInput": {},
    "ModelNotFound": {},
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("full", [False, True])
def test_pickle_round_trip(name: str, full: bool) -> None:
    fields: dict[str, Any] = FULL.get(name, FULL["StorageError"]) if full else {}
    error = CLASSES[name]("what happened", **fields)
    error.add_note("a note")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.args == error.args
