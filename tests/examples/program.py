"""Run an example in a child process where `kserve.storage` is sealift."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.cli.program import clean_environ

EXAMPLES = Path(__file__).with_name("usage.md")
TIMEOUT = 100

# A replacement for KServe's class, if KServe is not installed.
MODEL = """
import kserve

if not hasattr(kserve, "Model"):

    class Model:
        def __init__(self, name):
            self.name = name
            self.ready = False

    kserve.Model = Model
"""


def titles() -> list[str]:
    return re.findall(r"^### (.+)$", EXAMPLES.read_text(), re.MULTILINE)


def code_of(title: str) -> str:
    found = re.search(
        rf"^### {re.escape(title)}\n\n```python\n(.*?)^```$", EXAMPLES.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found, title
    return found[1]


def run_program(
    directory: Path, code: str, environ: Mapping[str, str], *options: str
) -> "subprocess.CompletedProcess[str]":
    """Run a script under `python -m sealift.kserve`, with the temporary directory `directory / "tmp"`."""
    script = directory / "program.py"
    script.write_text(code)
    (directory / "tmp").mkdir(exist_ok=True)
    own = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "TMPDIR": str(directory / "tmp")}
    return subprocess.run(
        [sys.executable, "-m", "sealift.kserve", str(script), *options],
        env=clean_environ() | own | dict(environ),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def run_example(
    title: str, directory: Path, environ: Mapping[str, str], then: str, supplied: str = ""
) -> tuple[Any, str]:
    """Run an example followed by more statements.

    Args:
        title: The heading of the example.
        directory: Replaces the local directories in the example.
        environ: Environment variables.
        then: Statements that set `result`.
        supplied: Statements before the example, for names that it does not import.

    Returns:
        The result, passed as JSON, and the output.
    """
    code = code_of(title).replace("/tmp/", f"{directory}/").replace("/local/", f"{directory}/local/")
    results = directory / "result.json"
    end = f"import json, pathlib\npathlib.Path({str(results)!r}).write_text(json.dumps(result))\n"
    done = run_program(directory, "\n".join((MODEL, dedent(supplied), code, dedent(then), end)), environ)
    assert done.returncode == 0, done.stderr
    return json.loads(results.read_text()), done.stdout
