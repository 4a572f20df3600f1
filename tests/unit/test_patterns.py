"""Which paths patterns let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.patterns import Patterns

PATHS = st.text("ab./*?[]", max_size=6)


@pytest.mark.parametrize(
    ("allow", "ignore", "path", "expected"),
    [
        (None, None, "anything/at all", True),
        (None, [], "x", True),
        ([], None, "x", False),
        ("*.json", None, "config.json", True),
        ("*.json", None, "deep/er/config.json", True),
        ("*.json", None, "config.jsonl", False),
        ("*.json", None, "CONFIG.JSON", False),
        ("*.json", None, ".json", True),
        (["*.json", "*.bin"], None, "a.bin", True),
        (("*.json", "*.bin"), None, "a.txt", False),
        ("a?.bin", None, "a1.bin", True),
        ("a[12].bin", None, "a3.bin", False),
        ("a[!12].bin", None, "a3.bin", True),
        ("a[[]1].bin", None, "a[1].bin", True),
        ("weights", None, "weights/a", False),
        ("weights/*", None, "weights/a/b", True),
        (None, "*.json", "config.json", False),
        (None, ["*.json", "logs/*"], "logs/a", False),
        ("*.json", "secret*", "secret.json", False),
        ("*.json", "secret*", "deep/secret.json", True),
        ("*", "*", "x", False),
    ],
)
def test_patterns(allow: list[str] | str | None, ignore: list[str] | str | None, path: str, expected: bool) -> None:
    assert Patterns.of(allow, ignore).let(path) is expected


def test_an_iterator_is_taken_once() -> None:
    patterns = Patterns.of(iter(["*.json"]), (each for each in ["a*"]))
    assert [patterns.let(path) for path in ("b.json", "b.json", "a.json")] == [True, True, False]


@given(PATHS, st.lists(PATHS), st.lists(PATHS))
def test_what_is_ignored_is_never_let_through(path: str, allow: list[str], ignore: list[str]) -> None:
    assert not Patterns.of(allow, [*ignore, "*"]).let(path)
    if Patterns.of(allow, ignore).let(path):
        assert Patterns.of(None, ignore).let(path)
        assert Patterns.of(allow, None).let(path)
        assert not Patterns.of(None, allow).let(path)
