"""mypy and pyright check a program that uses all of the public API."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sealift

USAGE = Path(__file__).with_name("usage.py")
Checker = Callable[[Path, Path], subprocess.CompletedProcess[str]]


def mypy(file: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Check a file as a user's project would: strictly, and without this project's settings."""
    root = Path(sealift.__file__).parents[1]
    # mypy finds installed packages itself, and rejects site-packages in MYPYPATH.
    environ = {**os.environ} if root.name == "site-packages" else {**os.environ, "MYPYPATH": str(root)}
    options = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={cache}"]
    return run(["mypy", *options, str(file)], cache, environ)


def pyright(file: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Check a file strictly; an ignored error that pyright does not report is an error."""
    config = USAGE.with_name("pyrightconfig.json").read_text("utf-8").replace(USAGE.name, file.name)
    if file.parent != cache:
        shutil.copy(file, cache)
    (cache / "pyrightconfig.json").write_text(config, "utf-8")
    environ = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}  # about a newer version
    return run(["pyright", "--pythonpath", sys.executable, "--project", str(cache)], cache, environ)


def run(command: list[str], directory: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=directory, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("checker", "success", "mistake"),
    [
        (mypy, "Success: no issues found in 1 source file", 'expression has type "str", variable has type "int"'),
        (pyright, "0 errors, 0 warnings, 0 informations", 'Type "str" is not assignable to declared type "int"'),
    ],
    ids=["mypy", "pyright"],
)
def test_usage(checker: Checker, success: str, mistake: str, tmp_path: Path) -> None:
    checked = checker(USAGE, tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.strip() == success
    # A wrong program is rejected, so that the success above means something.
    wrong = tmp_path / "wrong.py"
    wrong.write_text('from sealift import Storage\n\npath: int = Storage.download("s3://b/k")\n')
    checked = checker(wrong, tmp_path)
    assert checked.returncode == 1
    assert mistake in checked.stdout


def test_usage_covers_every_public_name() -> None:
    tree = ast.parse(USAGE.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert set(sealift.__all__) <= used
