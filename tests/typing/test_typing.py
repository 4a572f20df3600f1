"""mypy reads a program that uses all of the public API."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import sealift

USAGE = Path(__file__).with_name("usage.py")


def mypy(file: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """As a user's project has it checked: strictly, and without this project's settings."""
    found = Path(sealift.__file__).parents[1]
    # mypy finds installed packages by itself, and refuses to be told where they are.
    environ = {**os.environ} if found.name == "site-packages" else {**os.environ, "MYPYPATH": str(found)}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            "--follow-imports=silent",
            f"--cache-dir={cache}",
            str(file),
        ],
        cwd=cache,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_usage(tmp_path: Path) -> None:
    checked = mypy(USAGE, tmp_path)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert checked.stdout == "Success: no issues found in 1 source file\n"
    # And a wrong one is found, so that the silence above says something.
    wrong = tmp_path / "wrong.py"
    wrong.write_text('from sealift import Storage\npath: int = Storage.download("s3://b/k")\n')
    checked = mypy(wrong, tmp_path)
    assert checked.returncode == 1
    assert 'expression has type "str", variable has type "int"' in checked.stdout


def test_usage_covers_every_public_name() -> None:
    tree = ast.parse(USAGE.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert set(sealift.__all__) <= used
