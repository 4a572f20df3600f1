"""The reader of JSON objects, member by member; compared with Python's parser."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.errors import TensorFileError
from sealift.tensors.strict_json import JsonReader

MOST = 100_000
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_leaves = st.none() | st.booleans() | st.integers() | _texts
_values = st.recursive(_leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4))


def members(text: str) -> dict[str, Any]:
    reader = JsonReader(text.encode(), "the text")
    found = {name: reader.value(MOST) for name in reader.names()}
    assert reader.only_spaces_follow()
    return found


@given(st.dictionaries(_texts, _values, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_any_object(content: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    assert members(json.dumps(content, ensure_ascii=ascii_only, indent=indent)) == content


@pytest.mark.parametrize("sign", ["x", "é", "€", "😀", '"', "\n"])
def test_values_of_any_length(sign: str) -> None:
    """They are read in windows, whose end may cut a character, an escape or a number."""
    for count in (*range(120, 130), *range(500, 520), 5000):
        for ascii_only in (True, False):
            content = {"a": [sign * count], "b": sign * count, "c": {"number": 10**90}}
            assert members(json.dumps(content, ensure_ascii=ascii_only)) == content


def test_strings() -> None:
    reader = JsonReader(b' { "a" : "b" , "c":"\\u00e9","d":"\xc3\xa9" } ', "the text")
    assert {name: reader.string(10) for name in reader.names()} == {"a": "b", "c": "é", "d": "é"}
    for text, message in (
        (b'{"a": 1}', "not valid JSON"),
        (b'{"a": "bcdefghijkl"}', "more than 9 bytes"),
        (b'{"a": "\\n\\n\\n\\n\\n"}', "more than 9 bytes"),
        (b'{"a": "\\ud800"}', "not Unicode"),
        (b'{"a": "\xff"}', "not Unicode"),
        (b'{"a": "\x01"}', "not valid JSON"),
    ):
        reader = JsonReader(text, "the text")
        with pytest.raises(TensorFileError, match=message):
            _ = {name: reader.string(9) for name in reader.names()}


def test_numbers() -> None:
    for text in ('{"a": 1.5}', '{"a": 1e5}', '{"a": [{"b": 1.0}]}'):
        with pytest.raises(TensorFileError, match="not an integer"):
            members(text)
        reader = JsonReader(text.encode(), "the text")
        assert [reader.value(MOST, any_number=True) for _ in reader.names()] == list(json.loads(text).values())
    for text in ('{"a": NaN}', '{"a": Infinity}'):
        reader = JsonReader(text.encode(), "the text")
        with pytest.raises(TensorFileError, match="not an integer"):
            _ = [reader.value(MOST, any_number=True) for _ in reader.names()]
