"""`sealift.kserve`, with `install()` and `python -m`, with and without KServe."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from .program import run_program
from .shim import CHECKS

# The error classes of KServe 0.21; tests/kserve runs the same checks against the real ones.
ERRORS = """
class ModelMissingError(Exception):
    def __init__(self, path):
        self.path = path

    def __str__(self):
        return self.path

class InferenceError(RuntimeError):
    def __init__(self, reason, status=None, debug_details=None):
        self.reason = reason

    def __str__(self):
        return self.reason

class InvalidInput(ValueError):
    def __init__(self, reason):
        self.reason = reason

    def __str__(self):
        return self.reason

class ModelNotFound(Exception):
    def __init__(self, model_name=None):
        self.reason = f"Model with name {model_name} does not exist."

    def __str__(self):
        return self.reason
"""


def package(directory: Path, **modules: str) -> None:
    """Write a package `kserve` next to the program."""
    (directory / "kserve").mkdir()
    for name, text in {"__init__": "from .errors import InvalidInput as known", "errors": ERRORS, **modules}.items():
        (directory / "kserve" / f"{name}.py").write_text(text)


def check(done: "subprocess.CompletedProcess[str]") -> None:
    assert (done.returncode, done.stderr) == (0, "")


def test_without_kserve(tmp_path: Path) -> None:
    check(run_program(tmp_path, CHECKS, {}))


def test_with_kserve(tmp_path: Path) -> None:
    package(tmp_path)
    theirs = """
    import kserve.errors

    # KServe's server compares error classes by identity, so they must not be replaced.
    assert kserve.errors.InvalidInput is kserve.known
    assert not issubclass(kserve.errors.InvalidInput, sealift.StorageError)
    assert kserve.__file__.endswith("kserve/__init__.py")
    """
    check(run_program(tmp_path, CHECKS + dedent(theirs), {}))


def test_with_a_kserve_that_has_a_storage_module(tmp_path: Path) -> None:
    package(tmp_path, storage="class Storage: pass", __init__="from .storage import Storage\nfrom .errors import *")
    check(run_program(tmp_path, CHECKS, {}))


def test_with_a_kserve_that_has_a_storage_error(tmp_path: Path) -> None:
    package(tmp_path, errors=ERRORS + "\nclass StorageError(RuntimeError): pass")
    check(run_program(tmp_path, CHECKS, {}))


def test_a_kserve_that_cannot_be_imported_reports_the_cause(tmp_path: Path) -> None:
    package(tmp_path, __init__="import a_missing_dependency")
    done = run_program(tmp_path, CHECKS, {})
    assert done.returncode == 1
    assert "No module named 'a_missing_dependency'" in done.stderr


def test_other_names_fail_without_kserve(tmp_path: Path) -> None:
    done = run_program(tmp_path, "from kserve import Model", {})
    assert "ImportError: cannot import name 'Model' from 'kserve'" in done.stderr


@pytest.mark.parametrize("first", ["import kserve.errors as errors", "errors = None"])
def test_installing_more_than_once_and_after_kserve(tmp_path: Path, first: str) -> None:
    package(tmp_path)
    program = f"""
    {first}
    import sealift.kserve
    sealift.kserve.install()
    bases = sealift.ModelMissingError.__mro__
    sealift.kserve.install()
    assert sealift.ModelMissingError.__mro__ == bases
    import kserve.errors
    assert errors in (None, kserve.errors)
    """
    (tmp_path / "plain.py").write_text(dedent(program) + CHECKS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "plain.py")],
        env={"PYTHONPATH": ":".join(str(Path(path).absolute()) for path in sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    check(done)


def test_the_environment_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 5")
    program = """
    import sys

    import beside

    print(__name__, sys.argv[1:], beside.value, __file__ == sys.argv[0])
    sys.exit(7)
    """
    done = run_program(tmp_path, dedent(program), {}, "--flag", "x")
    assert (done.returncode, done.stdout) == (7, "__main__ ['--flag', 'x'] 5 True\n")


def test_a_module_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("import sys\nfrom kserve.storage import Storage\nprint(__name__, sys.argv[1:])")
    for arguments, code, results in (
        (["-m", "server", "--model_dir", "x"], 0, "__main__ ['--model_dir', 'x']\n"),
        (["-m"], 2, ""),
        ([], 2, ""),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sealift.kserve", *arguments],
            env={"PYTHONPATH": ":".join(str(Path(path).absolute()) for path in sys.path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (code, results)
        assert ("usage: python -m sealift.kserve" in done.stderr) == (code == 2)
