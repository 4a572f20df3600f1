"""Selecting paths by allow and ignore patterns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.keys.patterns import Patterns

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
        ("weights/", None, "weights/a/b", True),
        ("weights/", None, "weights/", True),
        ("weights/", None, "weights-2/a", False),
        ("weights/", None, "more/weights/a", False),
        (None, ["weights/"], "weights/a", False),
        (None, ["weights/"], "a", True),
        (None, "*.json", "config.json", False),
        (None, ["*.json", "logs/*"], "logs/a", False),
        ("*.json", "secret*", "secret.json", False),
        ("*.json", "secret*", "deep/secret.json", True),
        ("*", "*", "x", False),
    ],
)
def test_patterns(allow: list[str] | str | None, ignore: list[str] | str | None, path: str, expected: bool) -> None:
    assert Patterns.of(allow, ignore).matches(path) is expected


def test_iterators_are_accepted() -> None:
    patterns = Patterns.of(iter(["*.json"]), (each for each in ["a*"]))
    assert [patterns.matches(path) for path in ("b.json", "b.json", "a.json")] == [True, True, False]


@given(PATHS, st.lists(PATHS), st.lists(PATHS))
def test_ignore_overrides_allow(path: str, allow: list[str], ignore: list[str]) -> None:
    assert not Patterns.of(allow, [*ignore, "*"]).matches(path)
    if Patterns.of(allow, ignore).matches(path):
        assert Patterns.of(None, ignore).matches(path)
        assert Patterns.of(allow, None).matches(path)
        assert not Patterns.of(None, allow).matches(path)


@pytest.mark.parametrize(
    ("allow", "ignore", "directory", "expected"),
    [
        (None, None, "a", True),
        (None, "a", "a", True),
        (None, "a/*", "a", False),
        (None, "a/*", "a/b", False),
        (None, "a/*", "ab", True),
        (None, "*", "a", False),
        (None, "*/tmp/*", "a/tmp", False),
        (None, "*/tmp/*", "tmp", True),
        (None, "a/*.json", "a", True),
        (None, "a/?", "a", True),
        ("*.json", None, "a", True),
        ("a/*", None, "b", False),
        ("a/b/*.json", None, "a", True),
        ("a/b/*.json", None, "a/b", True),
        ("a/b/*.json", None, "a/b/c", True),
        ("a/b/*.json", None, "a/c", False),
        ("a/b", None, "a", True),
        ("a/b", None, "a/b", False),
        (["a/*", "[bc]/x"], None, "c", True),
    ],
)
def test_directories_that_may_contain_matches(
    allow: list[str] | str | None, ignore: str | None, directory: str, expected: bool
) -> None:
    assert Patterns.of(allow, ignore).may_match_below(directory) is expected


@given(directory=st.text("ab/*?[]", min_size=1), name=st.text("ab/*?[]"), pattern=st.text("ab/*?[]!"))
def test_skipped_directories_contain_no_matches(directory: str, name: str, pattern: str) -> None:
    for patterns in (Patterns.of(pattern, None), Patterns.of(None, pattern)):
        assert patterns.may_match_below(directory) or not patterns.matches(f"{directory}/{name}")
