"""The sync facade is up to date with `AsyncStorage`."""

import ast

from .generate_blocking import SOURCES, TARGET, generate


def test_the_facade_is_up_to_date() -> None:
    """Compare syntax trees: ruff, which formats the file, is not installed in the test environment."""
    text = generate(SOURCES)
    assert _tree(text) == _tree(TARGET.read_text("utf-8")), "run: python -m tests.typing.generate_blocking"


def _tree(text: str) -> str:
    tree = ast.parse(text)
    # ruff sorts imports and docstrings lose trailing blanks: neither changes the program.
    imports = sorted(ast.dump(node) for node in tree.body if isinstance(node, ast.ImportFrom))
    rest = [ast.dump(node) for node in tree.body if not isinstance(node, ast.ImportFrom)]
    return "\n".join([*imports, *rest])
