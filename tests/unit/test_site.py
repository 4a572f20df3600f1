"""The pages of the documentation site: links lead somewhere, names exist, and each block of code is run by a test."""

import dataclasses
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import sealift
from bench import chart
from docs.commands import reference
from docs.links import ELSEWHERE, GENERATED, ROOT, links_of, rewrite
from sealift.cli import main
from tests.examples.page import DOCS, blocks_of, pages

DOCUMENTS = [*(DOCS / page for page in pages()), *(ROOT / name for name in ELSEWHERE if name.endswith(".md"))]
WRITTEN = [DOCS / page for page in pages()]


def navigation() -> Iterator[str]:
    def below(entries: list[dict[str, object]]) -> Iterator[str]:
        for entry in entries:
            for value in entry.values():
                yield from below(value) if isinstance(value, list) else (str(value),)

    yield from below(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"])


def anchors_of(text: str) -> set[str]:
    """The anchors of the headings of a document, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code_in(path: Path) -> list[str]:
    """The code within the text of a page."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", text)


def test_each_page_is_in_the_navigation() -> None:
    on_the_site = {*pages(), GENERATED, *(page for page in ELSEWHERE.values() if page.endswith(".md"))}
    listed = [*navigation()]
    assert len(listed) == len(set(listed))
    # The overview links those of the benchmarks.
    missing = {page for page in on_the_site - set(listed) if not page.startswith("benchmarks/")}
    assert missing == set(), "add it to `nav` in zensical.toml"
    assert set(listed) - on_the_site == set()


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "README.md"], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links(path: Path) -> None:
    for link in links_of(path.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        if "://" in name:
            continue
        target = (path.parent / name).resolve() if name else path
        # Written by commands, and not committed.
        if target.relative_to(ROOT).as_posix() in {"bench/results/listings.md", "tests/faults/RESULTS.md"}:
            continue
        text = reference() if target == DOCS / GENERATED else target.read_text("utf-8")
        assert not anchor or anchor in anchors_of(text), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_paragraphs_of_lists_are_indented_by_four(path: Path) -> None:
    """The site's Markdown needs that; GitHub accepts it."""
    text = re.sub(r"^( *)```.*?^\1```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^\n {1,3}\S.*", text, re.MULTILINE) == []
    assert re.findall(r"^ {1,3}(?:[-*]|\d+\.) .*", text, re.MULTILINE) == [], "a list in a list"
    # A list after a paragraph begins after an empty line.
    inside = ""
    for line in text.splitlines():
        if re.match(r"[-*] |\d+\. ", line):
            assert inside != "paragraph", line
            inside = "list"
        elif not line or line.startswith("#"):
            inside = ""
        elif not inside and not line.startswith(" "):
            inside = "paragraph"


def test_links_on_the_site() -> None:
    text = "[a](../SEMANTICS.md#sync), `[b](../SEMANTICS.md)`, [`c`](copying.md), [d](../src/x.py), [e](https://h/#x)"
    assert rewrite(text, DOCS / "restarts.md") == (
        "[a](guarantees.md#sync), `[b](../SEMANTICS.md)`, [`c`](copying.md), d, [e](https://h/#x)"
    )
    results = ROOT / "bench" / "results" / "wan.md"
    assert rewrite("[a](../../BACKENDS.md) ![](wan.svg)", results) == "[a](../services.md) ![](wan.svg)"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_each_page_with_code_has_a_test(path: Path) -> None:
    blocks = blocks_of(path)
    assert all(block.language for block in blocks), "say which language it is"
    tests = "".join(each.read_text("utf-8") for each in (ROOT / "tests" / "examples").glob("test_*.py"))
    assert not blocks or f'"{path.relative_to(DOCS).as_posix()}"' in tests


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_commands_in_the_text_exist(path: Path) -> None:
    """In tables and sentences; blocks are run."""
    for text in code_in(path):
        if not text.startswith("sealift ") or text.split()[1] == "COMMAND":
            continue
        name, *arguments = shlex.split(text)[1:]
        command: click.Command = main.commands[name]
        while isinstance(command, click.Group):
            command = command.commands[arguments.pop(0)]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {each for each in arguments if re.match("--?[a-z]", each)} <= known, text


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_names_in_the_text_exist(path: Path) -> None:
    text = "\n".join(code_in(path))
    for kind, name in re.findall(r"\b(Storage|AsyncStorage|StorageOperations|Event|ObjectInfo)\.([a-z]\w*)", text):
        value = getattr(sealift, kind)
        fields = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
        assert hasattr(value, name) or name in fields, f"{kind}.{name}"
    for kind, name in re.findall(r"\b(Limits|Unpack|WriteOptions|\w+Config)\((\w+)=", text):
        if hasattr(sealift, kind):  # TransferConfig is boto3's
            assert name in inspect.signature(getattr(sealift, kind)).parameters, f"{kind}({name}=…)"
    for option in re.findall(r"(?<!\w)(--[a-z][a-z-]+)", text):
        assert option in OPTIONS or (option.endswith("-") and any(each.startswith(option) for each in OPTIONS)), option


def _options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from parameter.opts
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _options(each)


# Options of other programs are in tables of the pages for their users.
OPTIONS = {*_options(main), "--help", "--numworkers", "--retry-count", "--local-dir"}


def test_the_reference_has_each_command_and_option() -> None:
    text = reference()
    assert all(re.search(rf"^## sealift {name}\b", text, re.MULTILINE) for name in main.commands)
    assert {option for option in _options(main) if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)} == set()


def test_the_chart_and_the_table_are_those_of_the_results() -> None:
    found = chart.results()
    assert chart.table(found) in chart.PAGE.read_text("utf-8"), "run python -m bench.chart"
    assert chart.chart(found) == chart.CHART.read_text("utf-8"), "run python -m bench.chart"
