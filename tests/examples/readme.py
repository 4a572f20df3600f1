"""Find and run the examples of README.md."""

import ast
import asyncio
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib

import sealift

__all__ = ["BLOCKS", "code_of", "run"]

README = Path(__file__).parents[2] / "README.md"
# The language and text of each code block.
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def code_of(start: str, own: Mapping[str, str]) -> str:
    """Return the example that starts with a text, with replacements for directories, keys and endpoints."""
    (code,) = (code for _, code in BLOCKS if code.startswith(start))
    for placeholder, value in own.items():
        code = code.replace(placeholder, value)
    assert "…" not in code, "a placeholder was not replaced"
    return code


def run(code: str, supplied: Mapping[str, Any]) -> SimpleNamespace:
    """Run an example in this process.

    Args:
        code: The example; may use `await`.
        supplied: Names that the example uses without defining them.

    Returns:
        The names defined at the end, and the values of expression statements, in order, as `results`.
    """
    results: list[Any] = []
    tree = ast.parse(code, str(README))
    for index, statement in enumerate(tree.body):
        if isinstance(statement, ast.Expr):
            call = ast.Call(ast.Name("_record", ast.Load()), [statement.value], [])
            tree.body[index] = ast.copy_location(ast.Expr(call), statement)
    compiled = compile(ast.fix_missing_locations(tree), str(README), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {name: getattr(sealift, name) for name in sealift.__all__}
    names |= {"json": json, "joblib": joblib, **supplied, "_record": results.append}
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, names))
    else:
        exec(compiled, names)
    return SimpleNamespace(**names, results=results)
