"""Documentation: every public parameter is documented, examples run, and test names in documents exist."""

import doctest
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import sealift
from sealift.errors import StorageError

# Modules whose examples need neither a network nor an event loop.
EXAMPLES = [
    "uris.azure", "uris.file_names", "uris.urls", "uris.git", "uris.hdfs", "uris.modelscope", "uris.revision",
    "uris.oci", "keys.plain_path", "backends.oci.authorization",
    "integrity.hdfs_checksum", "backends.git.pkt_line", "backends.webhdfs.address", "backends.webhdfs.checksum",
    "config.git", "config.hdfs", "config.modelscope",
    "errors", "uri", "keys.paths", "keys.patterns", "runtime.part_sizes",
    "integrity.checksums", "integrity.composite", "integrity.content",
    "config.s3", "config.gcs", "config.azure", "config.http", "config.huggingface", "config.oci", "config.pvc",
    "config.user_agent",
    "types.limits",
    "integrations.kserve.archive_names", "integrations.kserve.environment", "integrations.kserve.memory_file",
    "integrations.kserve.model_patterns", "integrations.kserve.service_config", "integrations.kserve.storage_spec",
    "types.byte_sizes", "types.write_options", "wire.message", "wire.content_range", "wire.address_policy",
]  # fmt: skip


def classes() -> Iterator[type]:
    for name in sealift.__all__:
        value = getattr(sealift, name)
        if inspect.isclass(value) and value.__module__.startswith("sealift."):
            yield value


def methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public functions and methods with their names, including inherited ones."""
    for kind in classes():
        for name in dir(kind):
            raw = inspect.getattr_static(kind, name)
            function = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
            ours = inspect.isfunction(function) and function.__module__.startswith("sealift.")
            if ours and not name.startswith("_"):
                yield f"{kind.__name__}.{name}", function
    for name in sealift.__all__:
        value = getattr(sealift, name)
        if inspect.isfunction(value):
            yield name, value


def documented(*texts: str | None) -> set[str]:
    """Return the names that docstrings list under "Args:" or "Attributes:"."""
    names: set[str] = set()
    for text in texts:
        for section in re.findall(
            r"^(?:Args|Attributes):\n((?:^(?: +.*)?\n?)+)", inspect.cleandoc(text or ""), re.MULTILINE
        ):
            names |= set(re.findall(r"^    (\w+): ", section, re.MULTILINE))
    return names


def parameters(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self", "cls"}


def test_public_api_is_discovered() -> None:
    names = [name for name, _ in methods()]
    assert {"Storage.download", "AsyncStorage.download", "StorageOperations.list_objects", "S3Config.from_env"} <= {
        *names
    }
    assert {"Storage", "S3Config", "Limits", "StorageError"} <= {kind.__name__ for kind in classes()}


@pytest.mark.parametrize("kind", list(classes()), ids=lambda kind: kind.__name__)
def test_class_parameters_are_documented(kind: type) -> None:
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}("), "the docstring that a dataclass writes itself"
    # The common parameters of errors are documented in `StorageError`.
    bases = [base for base in kind.__mro__ if issubclass(base, StorageError)] if issubclass(kind, StorageError) else []
    missing = parameters(kind) - documented(kind.__doc__, *(base.__doc__ for base in bases))
    if issubclass(kind, Exception) and parameters(kind) == {"args", "kwargs"}:
        return
    assert not missing


@pytest.mark.parametrize(
    ("name", "function"), list(methods()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_function_parameters_are_documented(name: str, function: Callable[..., Any]) -> None:
    assert function.__doc__, f"{name} has no docstring"
    assert not parameters(function) - documented(function.__doc__)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str) -> None:
    module = import_module(f"sealift.{name}")
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_examples_are_discovered() -> None:
    found = doctest.DocTestFinder()
    assert sum(len(test.examples) for name in EXAMPLES for test in found.find(import_module(f"sealift.{name}"))) > 10


@pytest.mark.parametrize(("document", "least"), [("BACKENDS.md", 40), ("SEMANTICS.md", 120)])
def test_tests_named_in_documents_exist(document: str, least: int) -> None:
    root = Path(__file__).parents[2]
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)(?:::(?:Test\w+::)?(\w+))?`", (root / document).read_text("utf-8")))
    tests = {(path, name) for path, name in named if not (root / "src" / "sealift" / path).exists()}
    assert len(tests) >= least
    for path, name in tests:
        text = (root / "tests" / path).read_text("utf-8")
        assert not name or re.search(rf"def {name}\(|class {name}:", text), f"{path}::{name}"


def test_the_files_that_the_architecture_names_exist() -> None:
    root = Path(__file__).parents[2]
    named = set(re.findall(r"\b\w+(?:/\w+)*\.py\b", (root / "ARCHITECTURE.md").read_text("utf-8")))
    folders = [root / "src" / "sealift", root / "src", root]
    missing = {name for name in named if not any((folder / name).exists() for folder in folders)}
    assert len(named) > 35
    assert missing == {"uris/foo.py", "config/foo.py", "tests/contract/test_foo.py"}  # of the example backend


@pytest.mark.parametrize(
    ("scheme", "method"),
    [(scheme, each) for scheme, methods in sealift.AUTHENTICATION_METHODS.items() for each in methods],
)
def test_each_authentication_method_has_a_test(scheme: str, method: str) -> None:
    table = (Path(__file__).parents[2] / "BACKENDS.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| {re.escape(scheme)} `{method}` .*$", table, re.MULTILINE)
    assert re.search(r"`api/\w+\.py::test_\w+`", row)
