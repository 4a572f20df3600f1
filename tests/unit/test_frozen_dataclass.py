"""A class made by `frozen_dataclass` behaves as one made by the standard library."""

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from sealift.errors import Skipped
from sealift.frozen_dataclass import dataclass, short_repr
from sealift.types import Capabilities, Event, Limits, ObjectInfo


@dataclass(frozen=True, slots=True)
class Ours:
    """A document."""

    key: str
    size: int | None = None
    secret: str = field(default="", repr=False)
    error: object = field(default=None, compare=False)
    sums: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 0:
            raise ValueError(self.size)

    @property
    def big(self) -> bool:
        return (self.size or 0) > 9


@dataclasses.dataclass(frozen=True, slots=True)
class Theirs:
    """A document."""

    key: str
    size: int | None = None
    secret: str = field(default="", repr=False)
    error: object = field(default=None, compare=False)
    sums: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 0:
            raise ValueError(self.size)


@dataclass(frozen=True, slots=True)
class Nested:
    inner: Any = field(hash=False)


@dataclass(frozen=True, slots=True, repr=False)
class Silent:
    secret: str

    def __repr__(self) -> str:
        return "Silent(…)"


@dataclass(frozen=True, slots=True)
class Short:
    key: str
    size: int | None = None
    secret: str = field(default="", repr=False)
    sums: dict[str, str] = field(default_factory=dict, hash=False)

    __repr__ = short_repr


@dataclasses.dataclass(frozen=True)
class Derived(Ours):
    more: int = 0


class Plain(Ours):
    """A subclass that is not a dataclass, and has more attributes."""


def test_construction_by_position_and_by_name() -> None:
    assert Ours("k", 3) == Ours(size=3, key="k")
    assert (Ours("k").size, Ours("k").sums, Ours("k", sums={"a": "b"}).sums) == (None, {}, {"a": "b"})
    assert Ours("k").sums is not Ours("k").sums


@pytest.mark.parametrize("arguments", [{}, {"key": "k", "other": 1}])
def test_wrong_arguments_are_reported_as_for_any_function(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as ours:
        Ours(**arguments)
    with pytest.raises(TypeError) as theirs:
        Theirs(**arguments)
    assert str(ours.value) == str(theirs.value).replace("Theirs", "Ours")


def test_classes_with_the_same_number_of_fields_have_their_own_names_and_defaults() -> None:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 0

    @dataclass(frozen=True, slots=True)
    class Size:
        width: int = 1
        height: int = 2

    assert (repr(Point(x=3)), repr(Size(height=4))) == (
        f"{Point.__qualname__}(x=3, y=0)",
        f"{Size.__qualname__}(width=1, height=4)",
    )
    with pytest.raises(TypeError, match="width"):
        Point(width=1)  # type: ignore[call-arg] # the test's point


def test_a_field_without_a_default_must_not_follow_one_with_a_default() -> None:
    class Wrong:
        size: int = 0
        key: str

    with pytest.raises(TypeError, match="non-default argument 'key' follows default argument"):
        dataclass(frozen=True, slots=True)(Wrong)


def test_post_init_is_called() -> None:
    with pytest.raises(ValueError, match="-1"):
        Ours("k", -1)


def test_the_text_shows_what_the_standard_library_shows() -> None:
    values = ("k", 3, "hidden", ValueError("x"), {"md5": "…"})
    assert repr(Ours(*values)) == repr(Theirs(*values)).replace("Theirs", "Ours")
    assert repr(Silent("hidden")) == "Silent(…)"
    cycle: list[Any] = []
    cycle.append(Nested(cycle))
    assert repr(cycle) == "[Nested(inner=[...])]"


def test_a_short_text_shows_what_differs_from_the_defaults() -> None:
    assert repr(Short("k")) == "Short(key='k')"
    assert repr(Short("k", 0, "hidden", {"md5": "x"})) == "Short(key='k', size=0, secret=…, sums={'md5': 'x'})"


def test_equality_and_hash() -> None:
    assert Ours("k", error=1) == Ours("k", error=2)
    assert Ours("k") != Ours("l")
    assert Ours("k") != Theirs("k")
    assert Ours("k") != Plain("k")
    assert Ours("k", secret="a") != Ours("k", secret="b")
    assert hash(Ours("k", sums={"a": "b"})) == hash(Ours("k"))
    assert hash(Nested([])) == hash(Nested({}))
    nan = float("nan")
    assert Ours("k", sums={"a": nan}) == Ours("k", sums={"a": nan})  # type: ignore[dict-item] # as tuples compare


def test_instances_cannot_be_changed() -> None:
    value = Ours("k")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'key'"):
        value.key = "l"  # type: ignore[misc] # the test's point
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'other'"):
        value.other = 1  # type: ignore[attr-defined] # the test's point
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'key'"):
        del value.key  # type: ignore[misc] # the test's point
    assert not hasattr(value, "__dict__")


def test_a_derived_class() -> None:
    assert Derived("k", more=1) == Derived("k", None, "", None, {}, 1)
    assert repr(Derived("k", more=1)) == "Derived(key='k', size=None, error=None, sums={}, more=1)"
    with pytest.raises(FrozenInstanceError):
        Derived("k").more = 2  # type: ignore[misc] # the test's point
    plain = Plain("k")
    plain.extra = 1  # type: ignore[attr-defined] # the test's point
    with pytest.raises(FrozenInstanceError):
        plain.key = "l"  # type: ignore[misc] # the test's point


def test_functions_of_the_standard_library() -> None:
    value = Ours("k", 3, sums={"a": "b"})
    assert [each.name for each in dataclasses.fields(value)] == ["key", "size", "secret", "error", "sums"]
    assert dataclasses.replace(value, size=12).big
    assert dataclasses.asdict(value) == {"key": "k", "size": 3, "secret": "", "error": None, "sums": {"a": "b"}}
    assert dataclasses.is_dataclass(Ours)
    match value:
        case Ours("k", size):
            assert size == 3
    assert Ours.__match_args__ == Theirs.__match_args__
    assert Ours.__doc__ == "A document."
    assert inspect.signature(Ours).parameters.keys() == inspect.signature(Theirs).parameters.keys()
    assert str(inspect.signature(Ours)) == str(inspect.signature(Theirs))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [Ours("k", 3, "s", None, {"a": "b"}), Derived("k", more=1), Limits(memory=1), ObjectInfo("k", 1), Capabilities()],
    ids=lambda value: type(value).__name__,
)
def test_pickle_and_copy(value: Any, protocol: int) -> None:
    assert pickle.loads(pickle.dumps(value, protocol)) == value
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value


@pytest.mark.parametrize("kind", [Event, Limits, ObjectInfo, Skipped])
def test_public_classes_name_their_module(kind: type[Any]) -> None:
    for name in ("__init__", "__repr__", "__eq__", "__hash__"):
        if kind.__dict__[name] is short_repr:  # written in the class
            continue
        assert kind.__dict__[name].__module__ == kind.__module__
        assert kind.__dict__[name].__qualname__ == f"{kind.__qualname__}.{name}"
