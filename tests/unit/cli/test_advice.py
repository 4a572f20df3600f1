"""Advice in errors: the command line names its options, not arguments of the Python API."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sealift
from sealift.cli.advice import error_text, translated
from sealift.cli.waits import wait_line
from sealift.errors import InvalidConfig, ServiceError, StorageError, UnsupportedOperation
from sealift.types import Event

SOURCE = Path(sealift.__file__).parent
# Errors of these cannot reach the command line, or give its own advice.
ELSEWHERE = {"cli", "demo", "integrations", "kserve", "config", "api"}
# How arguments and objects of the Python API are written.
PYTHON = re.compile(
    r"[A-Z]\w*(?:Config|Limits|Storage|WriteOptions)\b|(?:Limits|Unpack|WriteOptions|Trust)\(|\b\w+\(\)|"
    r"\b(?!sv=|sig=)[a-z_]+=(?:True|False|None|…|\"|')|\b(?:version_id|account_name|certificate_chain)\b"
)
# Errors about arguments that the command line always passes correctly.
OF_CALLERS = re.compile(r"pass (?:an?|the) \w+Config$")


def texts_of(node: ast.expr) -> Iterator[str]:
    """The possible texts of an expression; a replacement field is "…"."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "1" for each in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts_of(body)
            yield from texts_of(orelse)
        case ast.BinOp(left=left, right=right):
            yield from ("".join(pair) for pair in zip(texts_of(left), texts_of(right), strict=False))
        case ast.Tuple(elts=values) | ast.List(elts=values):
            for value in values:
                yield from texts_of(value)
        case ast.Call(func=ast.Attribute(value=ast.Dict(values=values))) | ast.Dict(values=values):
            for value in values:
                yield from texts_of(value)


def hints() -> Iterator[tuple[str, str]]:
    """Where each hint of the source code is, and its text."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            found: list[ast.expr] = []
            if (isinstance(node, ast.keyword) and node.arg == "hint") or (
                isinstance(node, ast.Assign) and re.search(r"(?i)hint|sign_in|way_out", ast.unparse(node.targets[0]))
            ):
                found = [node.value]
            elif isinstance(node, ast.Assign) and re.search(r"^_[A-Z]+$", ast.unparse(node.targets[0])):
                # Tables of errors, such as those of Azure: cause and hint by the code of the service.
                values = node.value.values if isinstance(node.value, ast.Dict) else []
                found = [each for each in values if isinstance(each, ast.Tuple)]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("hints.append"):
                found = node.args
            elif isinstance(node, ast.FunctionDef) and "hint" in node.name:
                found = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
            for each in found:
                yield from ((f"{path.relative_to(SOURCE)}:{each.lineno}", text) for text in texts_of(each))


ALL = list(hints())


def test_hints_are_found() -> None:
    assert len(ALL) > 100
    assert "pass recursive=True" in dict(map(reversed, ALL))  # type: ignore[arg-type]


@pytest.mark.parametrize(("where", "hint"), [(where, hint) for where, hint in ALL if PYTHON.search(hint)])
def test_no_python_is_left(where: str, hint: str) -> None:
    left = translated(hint).replace(" in Python", "").replace("in Python, unpack=Unpack(…)", "")
    assert OF_CALLERS.search(hint) or not PYTHON.search(left), f"{where}: {hint!r} becomes {translated(hint)!r}"


@pytest.mark.parametrize(
    ("hint", "option"),
    [
        ("pass recursive=True", "use -r to include everything under it"),
        ("Limits(memory=…)", "--memory"),
        ("Limits(memory=1048576) or more", "--memory 1048576 or more"),
        ("Limits(part_size=8388608) or None", "--part-size 8388608"),
        ("raise the limit on open files, or lower Limits(connections=…)", "or lower --connections"),
        ("to transfer it unverified: verify=False with download or copy", "unverified: use --verify no"),
        ("to delete them too, pass delete_snapshots=True", "use --delete-snapshots include"),
        ("use copy", "use sealift cp"),
        (
            "it has content_type, tags, sse, kms_key_id, bucket_key",
            "it has --content-type, --tag, --sse, --sse-kms-key-id",
        ),
        ("leave out version_id", "omit --version-id"),
        ("use https, or, for tests, S3Config(customer_key_over_http=True)", "(use https)"),
        ("check the bucket's name", "check the bucket's name"),
    ],
)
def test_options(hint: str, option: str) -> None:
    assert option in error_text(StorageError("it broke", hint=hint))


def test_invalid_arguments_are_options() -> None:
    assert error_text(InvalidConfig("Limits(memory=0) is not positive")) == "--memory 0 is not positive"
    assert error_text(InvalidConfig("HTTPConfig(headers=…): 'a b' is not valid")) == "--header: 'a b' is not valid"


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("s3:// does not support WriteOptions(encryption_scope=…)", "s3:// does not support --encryption-scope"),
        ("a local path does not support WriteOptions(tags=…, sse=…)", "a local path does not support --tag, --sse"),
        ("WriteOptions(content_type='a (b)\\n') cannot be sent", "--content-type 'a (b)\\n' cannot be sent"),
        ("http:// does not support version_id=…", "http:// does not support --version-id"),
        ("version_id='\\n' is not the ID of a version", "--version-id '\\n' is not the ID of a version"),
        ("expires_in=99 is more than S3 allows", "--expires-in 99 is more than S3 allows"),
        (
            "directory buckets do not support S3Config(requester_pays=…)",
            "directory buckets do not support --request-payer",
        ),
        ("S3Config(customer_key=…) is not a key of 256 bits", "--sse-c-key is not a key of 256 bits"),
        ("HFConfig with a token and anonymous", "--token with --anonymous"),
        ("AzureConfig is for the account 'a', but the URI names 'b'", "--account is 'a', but the URI names 'b'"),
    ],
)
@pytest.mark.parametrize("kind", [InvalidConfig, UnsupportedOperation])
def test_causes_name_options(kind: type[StorageError], cause: str, text: str) -> None:
    assert error_text(kind(cause)) == text


def test_the_text_of_an_error_is_not_advice() -> None:
    error = ServiceError("the object 'pass recursive=True' broke", uri="s3://b/use copy", hint="use copy")
    assert error_text(error) == "s3://b/use copy: the object 'pass recursive=True' broke (use sealift cp)"


def test_waits() -> None:
    error = StorageError("it is busy", hint="lower Limits(connections=…)")
    line = wait_line(Event("retry", "a", error=error, delay=3.0))
    assert line == "a: retrying in 3.0 s: it is busy (lower --connections)"
