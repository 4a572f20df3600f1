"""XML with characters that XML cannot represent, as services write it."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.wire.lenient_xml import parse_xml

CONTROL = "".join(map(chr, (*range(1, 9), 11, 12, *range(14, 32))))


@pytest.mark.parametrize("code", [*map(ord, CONTROL)])
@pytest.mark.parametrize("form", ["&#x{:x};", "&#x00{:X};", "&#{};", "\\"])
def test_control_characters(code: int, form: str) -> None:
    text = chr(code) if form == "\\" else form.format(code)
    root = parse_xml(f"<?xml version='1.0' encoding='UTF-8'?>\n<R><Key>a{text}b</Key><Id>7</Id></R>".encode())
    assert (root.findtext("Key"), root.findtext("Id")) == (f"a{chr(code)}b", "7")


@pytest.mark.parametrize("text", ["&#xD800;", "&#xFFFE;", "&#1114112;", "\ufffe", "\uffff"])
def test_what_is_no_character_at_all(text: str) -> None:
    assert parse_xml(f"<R>a{text}b</R>").text == "a\ufffdb"


@given(st.text(alphabet=st.sampled_from("ab \t&<\x00\x01\x1f\x7f\u0080ü\ue000\ufdcf\U0001f600")))
def test_any_text(text: str) -> None:
    escaped = "".join(f"&#{ord(each)};" if each in "&<\t" or ord(each) < 0x20 else each for each in text)
    assert parse_xml(f"<R>{escaped}</R>").text == (text or None)


@pytest.mark.parametrize("body", [b"", b"no XML", b"<a>", b"<a>\x01", b"\xff<a/>", "<a>\ufdd0&#1;</a>".encode()])
def test_what_is_no_xml(body: bytes) -> None:
    with pytest.raises(ET.ParseError):
        parse_xml(body)


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf<a/>", b"  \n<a/>\n", b"\xef\xbb\xbf\n <a/>"])
def test_white_space_and_a_byte_order_mark(body: bytes) -> None:
    assert parse_xml(body).tag == "a"
