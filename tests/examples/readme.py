"""The examples of README.md, and how one is run."""

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
# Language and text of each.
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def code_of(start: str, own: Mapping[str, str]) -> str:
    """The example that begins so, with a reader's own directories, keys and servers in the place of those it names."""
    (code,) = (code for _, code in BLOCKS if code.startswith(start))
    for theirs, ours in own.items():
        code = code.replace(theirs, ours)
    assert "…" not in code, "nobody has put something in the place of this"
    return code


def run(code: str, supplied: Mapping[str, Any]) -> SimpleNamespace:
    """Run an example in this process.

    Args:
        code: It may await.
        supplied: Names that it uses, and does not bind.

    Returns:
        The names that there are in the end, and as `told` the values of its expressions, in their order.
    """
    told: list[Any] = []
    tree = ast.parse(code, str(README))
    for index, statement in enumerate(tree.body):
        if isinstance(statement, ast.Expr):
            call = ast.Call(ast.Name("_told", ast.Load()), [statement.value], [])
            tree.body[index] = ast.copy_location(ast.Expr(call), statement)
    compiled = compile(ast.fix_missing_locations(tree), str(README), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {name: getattr(sealift, name) for name in sealift.__all__}
    names |= {"json": json, "joblib": joblib, **supplied, "_told": told.append}
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, names))
    else:
        exec(compiled, names)
    return SimpleNamespace(**names, told=told)
