"""Mapping keys to paths: no path leaves the target directory, and no two keys share a path."""

import os.path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.errors import UnsafeKey
from sealift.keys.paths import WORK_DIRECTORY, Tree, is_directory_marker, relative

ROOT = "/target/directory"
SEGMENTS = st.sampled_from(["", ".", "..", "a", "b", "a b", "ü", "...", "..a", "~", "a\\b", "x\0y", WORK_DIRECTORY])
KEYS = st.text(max_size=40) | st.lists(SEGMENTS | st.text(max_size=5), max_size=6).map("/".join)


@pytest.mark.parametrize(
    ("key", "prefix", "path"),
    [
        ("model.bin", "", "model.bin"),
        ("models/iris/model.bin", "models/", "iris/model.bin"),
        ("a//b", "", "a/b"),
        ("/leading", "", "leading"),
        ("models//a", "models/", "a"),
        ("models/~root", "models/", "~root"),
        ("models/...", "models/", "..."),
        ("models/a?b#c%20", "models/", "a?b#c%20"),
        ("e\u0301/コ", "", "e\u0301/コ"),
        # Names that resemble Windows devices and drives but are ordinary file names.
        ("aux.py", "", "aux.py"),
        ("aux/con/nul", "", "aux/con/nul"),
        ("a:b|c", "", "a:b|c"),
        ("a/C:/x", "", "a/C:/x"),
    ],
)
def test_relative(key: str, prefix: str, path: str) -> None:
    assert relative(key, prefix) == path


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("../up", "would leave"),
        ("a/../b", "would leave"),
        ("a/./b", "would leave"),
        ("..", "would leave"),
        ("a/..", "would leave"),
        ("", "is not a valid file name"),
        ("//", "is not a valid file name"),
        ("a/", "is not a valid file name"),
        (f"{WORK_DIRECTORY}/x", "temporary files"),
        (f"a/{WORK_DIRECTORY}", "temporary files"),
        ("a\0b", "a character that is not allowed"),
        ("a\\b", "a character that is not allowed"),
        ("a\ud800", "a character that is not allowed"),
        ("C:", "a Windows drive letter"),
        ("c:/windows", "a Windows drive letter"),
        ("//C:/x", "a Windows drive letter"),
        ("NUL", "a reserved Windows device name"),
        ("a/COM1/b", "a reserved Windows device name"),
        ("a/" + "x" * 256, "longer than 255 bytes"),
        ("ü" * 128, "longer than 255 bytes"),
    ],
)
def test_unsafe_keys_are_rejected(key: str, reason: str) -> None:
    with pytest.raises(UnsafeKey, match=reason) as caught:
        relative(key)
    assert repr(key) in str(caught.value)


def test_longest_file_name() -> None:
    assert relative("x" * 255) == "x" * 255
    assert relative("ü" * 127 + "x") == "ü" * 127 + "x"


@given(KEYS)
def test_no_path_escapes(key: str) -> None:
    try:
        path = relative(key)
    except UnsafeKey:
        return
    joined = f"{ROOT}/{path}"
    assert os.path.normpath(joined) == joined
    assert joined.startswith(f"{ROOT}/")
    assert WORK_DIRECTORY not in path.split("/")


@given(KEYS, st.text(alphabet="ab/", max_size=6).map(lambda text: f"{text}/"))
def test_prefix_is_removed(key: str, prefix: str) -> None:
    try:
        path = relative(key)
    except UnsafeKey:
        with pytest.raises(UnsafeKey):
            relative(prefix + key, prefix)
    else:
        assert relative(prefix + key, prefix) == path


@given(st.lists(KEYS, max_size=12, unique=True))
def test_accepted_keys_never_collide(keys: list[str]) -> None:
    tree, taken = Tree(), set()
    for key in keys:
        try:
            path = relative(key)
            tree.add(path, key)
        except UnsafeKey:
            continue
        taken.add(path)
    directories = {path[:end] for path in taken for end, letter in enumerate(path) if letter == "/"}
    accepted = [path for path in taken if path not in directories]
    assert len(accepted) == len(taken)


@pytest.mark.parametrize(
    ("first", "second"), [("a/b", "a//b"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c"), ("x", "/x")]
)
def test_conflicting_keys_are_both_named(first: str, second: str) -> None:
    tree = Tree()
    tree.add(relative(first), first)
    with pytest.raises(UnsafeKey) as caught:
        tree.add(relative(second), second)
    assert repr(first) in str(caught.value)
    assert repr(second) in str(caught.value)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a-", "a.b", "A"]), min_size=1, max_size=3).map("/".join)))
def test_paths_in_order_conflict_as_in_any_other_order(paths: list[str]) -> None:
    def conflicts(added: list[str]) -> bool:
        tree = Tree()
        try:
            for path in added:
                tree.add(path, path)
        except UnsafeKey:
            return True
        return False

    expected = len(set(paths)) < len(paths) or any(other.startswith(f"{path}/") for path in paths for other in paths)
    assert conflicts(paths) == conflicts(sorted(paths)) == conflicts(sorted(paths, reverse=True)) == expected


def test_siblings_do_not_conflict() -> None:
    tree = Tree()
    for key in ("a/b", "a/c", "a-b", "b/a", "a/bb/c"):
        tree.add(relative(key), key)
    with pytest.raises(UnsafeKey):  # all paths above were added
        tree.add("a/bb/c", "a/bb//c")


@pytest.mark.parametrize(
    ("key", "size", "marker"),
    [("a/", 0, True), ("a/", None, True), ("a/", 3, False), ("a", 0, False), ("", 0, False), ("/", 0, True)],
)
def test_directory_markers(key: str, size: int | None, marker: bool) -> None:
    assert is_directory_marker(key, size) is marker
