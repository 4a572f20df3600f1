"""Read a page of the documentation, and run its code blocks one after the other."""

import ast
import asyncio
import configparser
import fnmatch
import inspect
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["DOCS", "ROOT", "Block", "Session", "blocks_of", "pages"]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TIMEOUT = 60
_FENCE = re.compile(r'^( *)```(\w*)(?: title="([^"\n]*)")?\n(.*?)^\1```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block.

    Attributes:
        page: The file.
        line: Number of its first line of code, from 1.
        language: "python", "sh", "console" (commands after "$ " with their output), "yaml", "ini", "dockerfile" or
            "text".
        title: Path of the file that the block shows, or "".
        code: The text.
    """

    page: Path
    line: int
    language: str
    title: str
    code: str

    @property
    def start(self) -> str:
        """Its first line."""
        return self.code.partition("\n")[0]


def pages() -> list[str]:
    """The pages in docs/, relative to it."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page."""
    text = page.read_text("utf-8")
    blocks = []
    for found in _FENCE.finditer(text):
        indent, language, title, code = found.groups()
        line = text.count("\n", 0, found.start()) + 2
        blocks.append(Block(page, line, language, title or "", re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)))
    assert len(blocks) * 2 == len(re.findall(r"^ *```", text, re.MULTILINE)), f"{page.name}: a fence is not closed"
    return blocks


class Session:
    """Runs the blocks of one page, as one session of a user.

    Names that a Python block defines, files, and variables that a shell block exports are there for later blocks. The
    value of an expression or an assignment that ends with a comment `# → …` is compared with it; `…` stands for any
    text. So is the output of commands in a console block with the lines below them, but for sizes, rates, times and
    the width of columns.

    Args:
        directory: The current directory.
        replace: Text → replacement, for directories, keys and endpoints.
        environ: The environment; shell blocks may change it.
        programs: Directory with programs for shell blocks.
    """

    def __init__(
        self, directory: Path, replace: Mapping[str, str], environ: MutableMapping[str, str], programs: Path
    ) -> None:
        self.names: dict[str, Any] = {"__name__": "example"}
        self.output = ""
        self.directory, self.replace = directory, dict(replace)
        self._environ, self._programs = environ, programs

    def run(
        self,
        page: str | Path,
        *,
        before: Mapping[str, Callable[[], object]] | None = None,
        not_run: Mapping[str, Callable[[Block], object]] | None = None,
    ) -> None:
        """Run all blocks of a page.

        Args:
            page: Path relative to docs/.
            before: Start of a block → what to do before it.
            not_run: Start of a block that cannot be run → how to check it instead.
        """
        before, not_run = dict(before or {}), dict(not_run or {})
        for block in blocks_of(DOCS / page):
            for start in [start for start in before if block.code.startswith(start)]:
                before.pop(start)()
            instead = [start for start in not_run if block.code.startswith(start)]
            if instead:
                not_run.pop(instead[0])(block)
            else:
                self._run(block)
        assert not before, f"{page}: no block starts like this"
        assert not not_run, f"{page}: no block starts like this"

    def _run(self, block: Block) -> None:
        code = block.code
        for placeholder, value in self.replace.items():
            code = code.replace(placeholder, value)
        if block.title:
            path = self.directory / os.path.expanduser(block.title)
            assert path.is_relative_to(self.directory), "not in the user's home directory"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, "utf-8")
        where = f"{block.page.name}:{block.line}"
        match block.language:
            case "python":
                self._python(code, block)
            case "sh":
                done = self._shell(code)
                assert done.returncode == 0, f"{where}: {done.stdout}"
                self.output += done.stdout
            case "console":
                self._console(code, where)
            case "yaml":
                assert list(yaml.safe_load_all(code)), where
            case "ini":
                configparser.ConfigParser(interpolation=None).read_string(code)
            case "text":
                pass
            case _:
                raise AssertionError(f"{where}: no way to run {block.language!r}")

    def _python(self, code: str, block: Block) -> None:
        wanted = _expectations(code)
        checks: list[tuple[int, Any]] = []
        tree = ast.parse("\n" * (block.line - 1) + code, str(block.page))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr | ast.Assign) and node.end_lineno is not None:
                line = node.end_lineno - block.line + 1
                if line in wanted:
                    call = ast.Call(ast.Name("_checked", ast.Load()), [ast.Constant(line), node.value], [])
                    node.value = ast.copy_location(call, node.value)

        def checked(line: int, value: Any) -> Any:
            checks.append((line, value))
            return value

        compiled = compile(
            ast.fix_missing_locations(tree), str(block.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        self.names["_checked"] = checked
        if compiled.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(compiled, self.names))
        else:
            exec(compiled, self.names)
        for line, value in checks:
            where = f"{block.page.name}:{line + block.line - 1}"
            assert _matches(repr(value), wanted[line]), f"{where}: {value!r} is not {wanted[line]}"
        assert {line for line, _ in checks} == set(wanted), f"{block.page.name}:{block.line}: not all was reached"

    def _console(self, code: str, where: str) -> None:
        for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            while command.endswith("\\"):
                line, _, expected = expected.partition("\n")
                command = f"{command}\n{line}"
            done = self._shell(command)
            assert _matches(_constant(done.stdout), _constant(expected)), f"{where}: {command}\n{done.stdout}"

    def _shell(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a script, and adopt the variables that it exports."""
        after = self._programs / "environment"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nenv -0 > {shlex.quote(str(after))}"],
            cwd=self.directory,
            env={**self._environ, "PATH": f"{self._programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode == 0:
            exported = dict(line.split("=", 1) for line in after.read_text("utf-8").split("\0") if line)
            ours = {"_", "OLDPWD", "PATH", "PWD", "SHLVL"}
            self._environ.update({name: value for name, value in exported.items() if name not in ours})
        return done


def _expectations(code: str) -> dict[int, str]:
    """Line → the value that its comment shows."""
    found = {number: re.search(r"# → (.+)$", line) for number, line in enumerate(code.splitlines(), 1)}
    return {number: match[1] for number, match in found.items() if match}


def _constant(output: str) -> str:
    """Replace what differs from one run of a command to the next."""
    for varies, name in (
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"[\d.,]+ [kMG]?B(?:/s)?", "SIZE"),
        (r"[\d.]+ s\b", "SECONDS"),
        (r"[ \t]+", " "),
        (r"^ | $", ""),
    ):
        output = re.sub(varies, name, output, flags=re.MULTILINE)
    return output.strip()


def _matches(text: str, pattern: str) -> bool:
    # Only "…" is special; fnmatch needs its own characters escaped.
    escaped = re.sub(r"([*?[])", r"[\1]", pattern)
    return fnmatch.fnmatchcase(text, escaped.replace("…", "*"))
