"""The header of a safetensors file and the index of several: what is accepted, and each way to deceive a reader."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.errors import TensorFileError
from sealift.tensors.dtypes import BITS
from sealift.tensors.header import MAX_HEADER, PREFIX, Header, header_length, parse_header
from sealift.tensors.weight_index import check_against_files, parse_index

Entry = dict[str, Any]


def entry(start: int = 0, end: int = 4, dtype: str = "F32", shape: list[Any] | None = None) -> Entry:
    return {"dtype": dtype, "shape": [1] if shape is None else shape, "data_offsets": [start, end]}


def parse(text: str | bytes, data: int | None = 4) -> Header:
    """Parse a header that is followed by so many bytes."""
    encoded = text.encode() if isinstance(text, str) else text
    return parse_header(encoded, None if data is None else PREFIX + len(encoded) + data, "f")


def test_a_valid_header() -> None:
    text = json.dumps({"b": entry(2, 2, "BF16", [0, 7]), "a": entry(0, 2, "F16"), "__metadata__": {"format": "pt"}})
    for spaces in ("", "   "):
        found = parse(text + spaces, 2)
        assert found.metadata == {"format": "pt"}
        assert [(each.name, each.dtype, each.shape, each.nbytes) for each in found.tensors] == [
            ("a", "F16", (1,), 2),
            ("b", "BF16", (0, 7), 0),
        ]
        assert {each.offset for each in found.tensors} == {8 + len(text + spaces), 10 + len(text + spaces)}
    assert parse("{}", 0).tensors == ()
    assert parse(json.dumps({"x": entry(0, 4, "I32", [])})).tensors[0].shape == ()


def test_tensors_are_ordered_by_their_bytes() -> None:
    found = parse(json.dumps({"second": entry(4, 8), "first": entry(0, 4), "empty": entry(4, 4, shape=[0])}), 8)
    assert [each.name for each in found.tensors] == ["first", "empty", "second"]


HOSTILE = {
    "no object": ("[]", "does not begin with '{'"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "does not begin with '{'"),
    "spaces before": (" {}", "does not begin with '{'"),
    "not JSON": ('{"a":}', "not valid JSON"),
    "two objects": ("{}{}", "something else than spaces"),
    "a line break after": ("{}\n", "something else than spaces"),
    "a NUL after": ("{}\0", "something else than spaces"),
    "not UTF-8": (b'{"\xff": 1}', "not Unicode"),
    "a lone surrogate": (json.dumps({"\ud800": entry()}), "not Unicode"),
    "nested too deeply": ('{"a":' + "[" * 100_000 + "}", "not valid JSON"),
    "NaN": ('{"a": NaN}', "not an integer"),
    "Infinity": ('{"a": -Infinity}', "not an integer"),
    "a float": (json.dumps({"a": entry(shape=[1.0])}), "not an integer"),
    "a huge integer": ('{"a": {"shape": [' + "9" * 5000 + "]}}", "not valid JSON"),
    "a description that is too long": (json.dumps({"a": entry(shape=[1] * 10_000)}), "more than 16384 bytes"),
    "a name that is too long": (json.dumps({"x" * 5000: entry()}), "more than 4096 bytes"),
    "an escaped name that is too long": (json.dumps({"\n" * 5000: entry()}), "more than 4096 bytes"),
    "a comma after the last": ('{"a": {"dtype": "U8", "shape": [], "data_offsets": [0, 1]},}', "not valid JSON"),
    "a name twice": (
        f'{{"a": {json.dumps(entry())}, "a": {json.dumps(entry(4, 8))}}}', "has 'a' twice"
    ),
    "a name twice, escaped": (
        f'{{"a": {json.dumps(entry())}, "\\u0061": {json.dumps(entry(4, 8))}}}', "has 'a' twice"
    ),
    "a field twice": ('{"a": {"dtype": "F32", "dtype": "I32", "shape": [1], "data_offsets": [0, 4]}}', "'dtype' twice"),
    "metadata that are no strings": (json.dumps({"__metadata__": {"a": 1}}), "not an object of strings"),
    "metadata that are a list": (json.dumps({"__metadata__": []}), "not an object of strings"),
    "an unknown field": (json.dumps({"a": entry() | {"strides": [1]}}), "'a' has"),
    "a missing field": (json.dumps({"a": {"dtype": "F32", "shape": [1]}}), "'a' has"),
    "no fields": (json.dumps({"a": 1}), "'a' has no fields"),
    "an unknown dtype": (json.dumps({"a": entry(dtype="F31")}), "'a' has the unknown dtype 'F31'"),
    "a dtype that is no string": (json.dumps({"a": entry() | {"dtype": ["F32"]}}), "'a' has the unknown dtype"),
    "a dtype in lower case": (json.dumps({"a": entry(dtype="f32")}), "unknown dtype"),
    "a negative dimension": (json.dumps({"a": entry(shape=[-1])}), "'a' has an invalid shape"),
    "a boolean dimension": (json.dumps({"a": entry(shape=[True])}), "'a' has an invalid shape"),
    "a shape that is no list": (json.dumps({"a": entry() | {"shape": 1}}), "'a' has an invalid shape"),
    "too many dimensions": (json.dumps({"a": entry(shape=[1] * 33)}), "'a' has an invalid shape"),
    "an overflow": (json.dumps({"a": entry(shape=[1 << 32, 1 << 32])}), "too large"),
    "an overflow behind a zero": (json.dumps({"a": entry(0, 0, shape=[0, 1 << 62, 4])}), "too large"),
    "an overflow in the offsets": (json.dumps({"a": entry(0, 1 << 64)}), "'a' has invalid data_offsets"),
    "offsets in the wrong order": (json.dumps({"a": entry(4, 0)}), "'a' has invalid data_offsets"),
    "three offsets": (json.dumps({"a": entry() | {"data_offsets": [0, 4, 4]}}), "'a' has invalid data_offsets"),
    "negative offsets": (json.dumps({"a": entry(-4, 0)}), "'a' has invalid data_offsets"),
    "a size that does not match": (json.dumps({"a": entry(shape=[2])}), "4 bytes, but its shape and dtype need 8"),
    "half a byte": (json.dumps({"a": entry(0, 1, "F4", [1])}), "'a' has 1 bytes, but its shape and dtype need 0.5"),
    "a hole before the first": (json.dumps({"a": entry(4, 8)}), "'a' follows 4 unused bytes"),
    "a hole": (json.dumps({"a": entry(), "b": entry(5, 9)}), "'b' follows 1 unused bytes"),
    "an overlap": (json.dumps({"a": entry(), "b": entry(2, 6)}), "'b' overlaps"),
    "the same bytes twice": (json.dumps({"a": entry(), "b": entry()}), "'b' overlaps"),
    "an empty tensor inside another": (json.dumps({"a": entry(), "b": entry(2, 2, shape=[0])}), "'b' overlaps"),
    "bytes after the last": (json.dumps({"a": entry(0, 2, "F16")}), "2 bytes follow the last tensor"),
    "bytes after no tensor": ("{}", "4 bytes follow"),
    "beyond the end": (json.dumps({"a": entry(0, 8, shape=[2])}), "'a' ends at offset"),
    "an empty name": (json.dumps({"": entry()}), "empty name"),
    "a NUL in a name": (json.dumps({"a\0b": entry()}), "control characters"),
    "an escape in a name": (json.dumps({"\x1b[2J": entry()}), "control characters"),
    "an escape of one byte in a name": (json.dumps({"\x9b2J": entry()}), "control characters"),
    "a parent directory": (json.dumps({"../../etc/passwd": entry()}), "leaves its directory"),
    "a parent directory in the middle": (json.dumps({"a/../../b": entry()}), "leaves its directory"),
    "a parent directory on Windows": (json.dumps({"a\\..\\b": entry()}), "leaves its directory"),
    "an absolute path": (json.dumps({"/etc/passwd": entry()}), "absolute path"),
    "a drive": (json.dumps({"C:\\x": entry()}), "absolute path"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers(case: str) -> None:
    text, message = HOSTILE[case]
    with pytest.raises(TensorFileError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("length", [0, 1, 5, MAX_HEADER + 1, (1 << 64) - 1])
def test_lengths_that_are_not_possible(length: int) -> None:
    with pytest.raises(TensorFileError, match="length of its header"):
        header_length(struct.pack("<Q", length), 12)


def test_short_files() -> None:
    for data in (b"", b"1234567"):
        with pytest.raises(TensorFileError, match="too few"):
            header_length(data, len(data))
    assert header_length(struct.pack("<Q", 4), 12) == 4
    assert header_length(struct.pack("<Q", 1000), None) == 1000


@given(st.binary(max_size=200))
def test_any_bytes_fail_clearly(data: bytes) -> None:
    for text in (data, b"{" + data, b"{" + data + b"}"):
        try:
            parse(text)
        except TensorFileError:
            continue


_tensors = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=20).filter(
        lambda name: name not in {"..", "__metadata__"}
    ),
    st.tuples(st.sampled_from(sorted(BITS)), st.lists(st.integers(0, 5), max_size=4)),
    max_size=6,
)


@given(_tensors)
def test_whatever_is_laid_out_without_holes_is_accepted(tensors: dict[str, tuple[str, list[int]]]) -> None:
    entries, position = {}, 0
    for name, (dtype, shape) in tensors.items():
        bits = BITS[dtype]
        for length in shape:
            bits *= length
        padded = [*shape, 8] if bits % 8 else shape
        size = bits if bits % 8 else bits // 8
        entries[name] = entry(position, position + size, dtype, padded)
        position += size
    found = parse(json.dumps(entries), position)
    assert {each.name: (each.dtype, list(each.shape)) for each in found.tensors} == {
        name: (each["dtype"], each["shape"]) for name, each in entries.items()
    }


INDEXES = {
    "no weight_map": ({}, "no weight_map"),
    "an empty weight_map": ({"weight_map": {}}, "no weight_map"),
    "a list": ({"weight_map": []}, "no weight_map"),
    "no file": ({"weight_map": {"a": 1}}, "'a' to something else than a file"),
    "a parent directory": ({"weight_map": {"a": "../a.safetensors"}}, "'a' to '../a.safetensors'"),
    "a parent directory below": ({"weight_map": {"a": "x/../../a.safetensors"}}, "not a path in its directory"),
    "an absolute path": ({"weight_map": {"a": "/a.safetensors"}}, "not a path in its directory"),
    "a URL": ({"weight_map": {"a": "https://example.com/a.safetensors"}}, "not a path in its directory"),
    "a query": ({"weight_map": {"a": "a?x=.safetensors"}}, "not a path in its directory"),
    "an encoded path": ({"weight_map": {"a": "%2e%2e/a.safetensors"}}, "not a path in its directory"),
    "a backslash": ({"weight_map": {"a": "..\\a.safetensors"}}, "not a path in its directory"),
    "a NUL": ({"weight_map": {"a": "a\0.safetensors"}}, "not a path in its directory"),
    "a pickle": ({"weight_map": {"a": "pytorch_model.bin"}}, "not a safetensors file"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_hostile_indexes(case: str) -> None:
    content, message = INDEXES[case]
    with pytest.raises(TensorFileError) as caught:
        parse_index(json.dumps(content).encode())
    assert message in str(caught.value)


def test_what_else_an_index_may_contain() -> None:
    """Sizes are fractions where elements are smaller than a byte; other tools write more."""
    content = {"metadata": {"total_size": 12.5, "x": [None, {}]}, "weight_map": {"a": "b/c.safetensors"}, "more": "é"}
    for text in (json.dumps(content), json.dumps(content, indent=2, ensure_ascii=False) + "\n"):
        assert parse_index(text.encode()) == {"a": "b/c.safetensors"}
    for wrong in (text + "{}", text[:-2], f"[{text}]"):
        with pytest.raises(TensorFileError, match="not valid JSON|not a JSON object"):
            parse_index(wrong.encode())


def test_an_index_that_names_a_tensor_twice() -> None:
    with pytest.raises(TensorFileError, match="twice"):
        parse_index(b'{"weight_map": {"a": "1.safetensors", "\\u0061": "2.safetensors"}}')


def test_an_index_and_its_files_must_agree() -> None:
    (tensor,) = parse(json.dumps({"a": entry()})).tensors  # in the file "f"
    check_against_files({"a": "f"}, [tensor])
    for weight_map, message in (
        ({}, "'a' is in 'f'; the index says: in no file"),
        ({"a": "g"}, "'a' is in 'f'; the index says: in 'g'"),
        ({"a": "f", "b": "f"}, "'b' is not in 'f'"),
    ):
        with pytest.raises(TensorFileError) as caught:
            check_against_files(weight_map, [tensor])
        assert message in str(caught.value)
