"""Where each document is on the site, and its links there.

Documents link to one another by file name, so that the links work in a checkout too.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["ELSEWHERE", "GENERATED", "ROOT", "links_of", "page_of", "rewrite"]

ROOT = Path(__file__).parents[1]
# Document outside of docs/ → its page.
ELSEWHERE = {
    "ARCHITECTURE.md": "architecture.md",
    "BACKENDS.md": "services.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SEMANTICS.md": "guarantees.md",
    "bench/README.md": "benchmarks/running.md",
    "deploy/kserve/README.md": "kserve.md",
    **{
        path.relative_to(ROOT).as_posix(): f"benchmarks/{path.name}"
        for path in sorted((ROOT / "bench" / "results").iterdir())
        if path.suffix in {".md", ".svg"}
    },
}
GENERATED = "commands.md"

_CODE = re.compile(r"^( *)```.*?^\1```$|``.+?``|`[^`]+`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def links_of(text: str) -> Iterator[str]:
    """Yield the targets of the links in a document, without those in code."""
    for found in _LINK.finditer(_CODE.sub(lambda code: "`" * len(code[0]), text)):
        yield found[2]


def page_of(path: Path) -> str | None:
    """Return the page of a document, relative to the site. None: it is not part of it."""
    if path.is_relative_to(ROOT / "docs"):
        return path.relative_to(ROOT / "docs").as_posix()
    return ELSEWHERE.get(path.relative_to(ROOT).as_posix()) if path.is_relative_to(ROOT) else None


def rewrite(text: str, path: Path) -> str:
    """Rewrite the links of a document for its page.

    Args:
        text: The document.
        path: Where it is.

    Returns:
        The text, in which links to documents lead to their pages. A link to another file becomes plain text.
    """
    here = page_of(path)
    assert here is not None, path
    return _outside_code(text, lambda part: _LINK.sub(lambda found: _linked(found[1], found[2], path, here), part))


def _linked(label: str, target: str, path: Path, here: str) -> str:
    name, _, anchor = target.partition("#")
    if not name or "://" in name:
        return f"[{label}]({target})"
    page = page_of(Path(os.path.normpath(path.parent / name)))
    if page is None:
        return label
    return f"[{label}]({os.path.relpath(page, os.path.dirname(here) or '.')}{'#' if anchor else ''}{anchor})"


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Apply a function to the text that is not in code."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        # A link whose text is code is a link: its brackets are outside.
        parts += [text[end : code.start()], code[0]]
        end = code.end()
    parts.append(text[end:])
    # Code is replaced by a character that no document contains, so that a link around it is found.
    joined = change("\0".join(parts[::2]))
    codes = iter(parts[1::2])
    return re.sub("\0", lambda _: next(codes), joined)
