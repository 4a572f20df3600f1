"""Write `sealift/api/blocking.py`, the sync facade, from the methods of `AsyncStorage`.

    python -m tests.typing.generate_blocking

Each public verb keeps its signature, its overloads and its docstring; its body passes the call to the engine's thread.
`test_blocking.py` fails if the file is out of date.

Why generated: a facade derived at runtime with `ParamSpec` and `Concatenate` was tried. mypy and pyright both lose the
overloads of the `*_many` verbs through it, and editors and `help()` lose the docstrings, unless descriptors import
`AsyncStorage`, and with it asyncio, as soon as sealift is imported.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import sealift

API = Path(sealift.__file__).parent / "api"
# The classes of verbs, and what the class with all of them adds.
SOURCES = (*sorted((API / "verbs").glob("[a-z]*.py")), API / "async_storage.py")
TARGET = API / "blocking.py"

STORAGE = '''"""Moves model artifacts, from any thread, whether or not an event loop runs there.

    All calls of a process share one engine with its connections and memory budget, in a background thread. It works
    after `os.fork`, in daemonic processes, and until the interpreter exits. Ctrl-C cancels a call and waits for its
    cleanup; a second Ctrl-C does not wait. `on_event` is called in the engine's thread. `sealift.configure` sets the
    configuration and limits of all calls.

    Example:
        >>> path = Storage.download("s3://ml-models/iris/model.joblib")
    """'''
STORAGE_OPERATIONS = '"""Operations on single objects, from any thread."""'
STORAGE_VERBS = (
    "download", "cached", "upload", "copy", "sync", "delete", "abort_uploads", "read", "read_into", "stream", "open",
    "tensors", "read_ranges", "stat", "exists", "write", "move", "presign", "list_buckets", "download_many",
    "upload_many", "copy_many", "delete_many", "read_many", "list", "verify_signature",
)  # fmt: skip
# The classes of the facade: docstring, verbs in order, and functions that need no engine.
CLASSES = {
    "Storage": (STORAGE, STORAGE_VERBS, ("is_local", "get_storage_spec")),
    "StorageOperations": (
        STORAGE_OPERATIONS,
        ("list_objects", "get_object_metadata", "delete_object", "copy_object"),
        (),
    ),
}
# Docstring phrases that differ without an event loop.
WORDS = (
    ("The file; `async with` or `await` opens it.", "The file."),
    ("The tensors; `async with` or `await` opens them.", "The tensors."),
    ("on the event loop's thread", "in the engine's thread"),
    ("To stop before the last one, use `contextlib.aclosing`.", "To stop before the last one, use a `with` block."),
    ("AsyncStorage", "Storage"),
    ("None: the instance's, or", "None: that of `sealift.configure`, or"),
    ("Yields:", "Returns:"),
    ("async for", "for"),
    ("async with", "with"),
    ("async def", "def"),
    ("await ", ""),
)
# Examples that create or receive the storage call the class instead.
_STORAGE_ARGUMENT = re.compile(r"storage: Storage, ")
_STORAGE_VARIABLE = re.compile(r"\bstorage\.(?=\w+\()")
HEADER = '''"""`Storage` and `StorageOperations`: the verbs of `AsyncStorage` for code without an event loop.

Generated from `verbs/` by `python -m tests.typing.generate_blocking`: edit those files, not this one.
"""
'''


def main() -> None:
    """Write the file, formatted by ruff."""
    TARGET.write_text(generate(SOURCES), "utf-8")
    for command in (["format", "--quiet"], ["check", "--fix", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, str(TARGET)], check=True)


def generate(sources: Iterable[Path]) -> str:
    """The text of the sync facade, not yet formatted.

    Args:
        sources: The files with the classes whose methods `AsyncStorage` has.
    """
    modules = {source: ast.parse(source.read_text("utf-8")) for source in sources}
    bodies = [node.body for module in modules.values() for node in module.body if isinstance(node, ast.ClassDef)]
    functions = [node for body in bodies for node in body]
    methods = [node for node in functions if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)]
    classes = []
    for name, (docstring, verbs, shared) in CLASSES.items():
        body = [_method(method, name) for verb in verbs for method in methods if method.name == verb]
        body += [f"    {function} = staticmethod({function})\n" for function in shared]
        classes.append(f"@accepts_positional_config\nclass {name}:\n    {docstring}\n\n" + "\n".join(body))
    text = "\n\n".join(classes)
    return "\n".join([HEADER, _imports(modules, text), f"__all__ = {sorted(CLASSES)!r}\n\n", text])


def _method(method: ast.AsyncFunctionDef | ast.FunctionDef, owner: str) -> str:
    """The static method of one verb, or one of its overloads."""
    copied = ast.parse(ast.unparse(method)).body[0]
    assert isinstance(copied, ast.AsyncFunctionDef | ast.FunctionDef)
    if isinstance(copied, ast.FunctionDef):  # it returns a file, tensors, or a path
        assert isinstance(copied.returns, ast.Constant)
        copied.returns = ast.parse(copied.returns.value.replace("Async", "")).body[0].value
    del copied.args.args[0]  # self
    overloads = [each for each in copied.decorator_list if isinstance(each, ast.Name) and each.id == "overload"]
    decorators = [*overloads, ast.Name("staticmethod")]
    sync = ast.FunctionDef(copied.name, copied.args, [], decorators, copied.returns, copied.type_comment, lineno=0)
    docstring = ast.get_docstring(copied, clean=False)
    if docstring is None:  # an overload
        sync.body = [ast.Expr(ast.Constant(...))]
        return _indented(ast.unparse(sync))
    call = _call(copied.name, copied.args)
    if isinstance(copied, ast.FunctionDef):
        openers = {"tensors": "open_tensors", "cached": "CachedPath"}
        opener = openers.get(copied.name, "open_file")
        result = f"{opener}(lambda storage: {call})"
    elif any(isinstance(node, ast.Yield) for node in ast.walk(copied)):
        assert isinstance(copied.returns, ast.Subscript)
        item = ast.unparse(copied.returns.slice)
        if item == "bytes":
            sync.returns, result = ast.Name("Chunks"), f"Chunks(lambda storage: {call})"
        else:  # a listing, whose items are too small to be fetched one by one from the engine's thread
            sync.returns = ast.parse(f"list[{item}]", mode="eval").body
            result = f"run(lambda storage: collected({call}))"
    else:
        result = f"run(lambda storage: {call})"
    sync.body = [ast.Expr(ast.Constant(_docstring(docstring, owner))), *ast.parse(f"return {result}").body]
    lines = ast.unparse(sync).splitlines()
    if len([*copied.args.args, *copied.args.kwonlyargs]) > _MAX_ARGUMENTS:
        start = next(index for index, line in enumerate(lines) if line.startswith("def "))
        name, rest = lines[start].split("(", 1)
        lines[start : start + 1] = [f"{name}(  # noqa: PLR0913 - the caller's options, each by its name", f"    {rest}"]
    return _indented("\n".join(lines))


_MAX_ARGUMENTS = 8  # as in pyproject.toml


def _docstring(text: str, owner: str) -> str:
    for old, new in (*WORDS, ("\n    ", "\n")):  # the last: it is indented again with the method
        text = text.replace(old, new)
    text = _STORAGE_VARIABLE.sub("Storage.", _STORAGE_ARGUMENT.sub("", text))
    if owner != "Storage":  # a verb of the other class needs its class
        own = CLASSES[owner][1]
        text = re.sub(
            r"\b[Aa]s in `(\w+)`", lambda match: match[0] if match[1] in own else f"As in `Storage.{match[1]}`", text
        )
    return text


def _call(verb: str, arguments: ast.arguments) -> str:
    passed = [each.arg for each in arguments.args] + [f"{each.arg}={each.arg}" for each in arguments.kwonlyargs]
    return f"storage.{verb}({', '.join(passed)})"


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def _imports(modules: Mapping[Path, ast.Module], text: str) -> str:
    """The imports of the sources that the facade's signatures need."""
    lines = [
        "from .blocking_cached_path import CachedPath",
        "from .facade_thread import Chunks, collected, run",
        "from .file import ReadableFile, WritableFile, open_file",
        "from .tensors import Tensors, open_tensors",
    ]
    names = {node.id for node in _nodes_outside_lambdas(ast.parse(text)) if isinstance(node, ast.Name)}
    imported: dict[tuple[str, int], set[str]] = {}
    for source, module in modules.items():
        deeper = len(source.relative_to(API).parents) - 1
        for node in module.body:
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                level = max(0, node.level - deeper)
                used = {each.name for each in node.names if each.name in names}
                imported.setdefault((node.module, level), set()).update(used)
    for (name, level), used in imported.items():
        if used:
            lines.append(f"from {'.' * level}{name} import {', '.join(sorted(used, key=_sort_key))}")
    return "\n".join(lines)


def _sort_key(name: str) -> tuple[int, str]:
    """As ruff sorts imported names: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _nodes_outside_lambdas(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree except calls to the engine, whose arguments are named like operations (`delete`)."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Lambda):
            yield from _nodes_outside_lambdas(child)


if __name__ == "__main__":
    main()
