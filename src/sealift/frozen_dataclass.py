"""`dataclass(frozen=True, slots=True)` for classes that are defined while a program starts.

The decorator of the standard library compiles seven methods per class, 0.6 to 0.9 ms each class; a download needs some
forty classes. This one compiles only `__init__`, once for all classes with the same number of fields, and the other
methods are closures. The classes are dataclasses in every other respect (`fields`, `replace`, `asdict`, `match`,
pickling), and type checkers see the decorator of the standard library. A class that derives from one of them needs the
decorator of the standard library.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass", "short_repr"]

T = TypeVar("T")

_without_methods = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)


class _Factory:
    """The default of a parameter whose value is made by a `default_factory`."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _frozen_with_slots(*, frozen: bool, slots: bool, repr: bool = True) -> Callable[[type[T]], type[T]]:  # noqa: A002, ARG001 - as in the standard library
    """Make a class a frozen dataclass with slots.

    Args:
        frozen: Must be True.
        slots: Must be True.
        repr: Whether to add a `__repr__`.

    Example:
        >>> @dataclass(frozen=True, slots=True)
        ... class Point:
        ...     x: int
        ...     y: int = 0
        >>> Point(1)
        Point(x=1, y=0)
    """

    def make(cls: type[T]) -> type[T]:
        made: Any = _without_methods(cls)
        fields = dataclasses.fields(made)
        methods = {"__init__": _init(made, fields), **_comparison(fields), **_immutability(fields)}
        if repr:
            methods["__repr__"] = _repr(fields)
        for name, method in methods.items():
            if name not in made.__dict__:
                method.__module__, method.__qualname__ = made.__module__, f"{made.__qualname__}.{name}"
                setattr(made, name, method)
        made.__dataclass_params__.frozen = True  # a frozen dataclass may derive only from frozen ones
        frozen_class: type[T] = made
        return frozen_class

    return make


def _init(cls: type[Any], fields: tuple["dataclasses.Field[Any]", ...]) -> Callable[..., None]:
    """Make `__init__`. It sets the slots directly, since assignment is not allowed."""
    scope: dict[str, Any] = {"__name__": cls.__module__, "factory": _FACTORY}
    defaults, made_by_factory = [], []
    for index, field in enumerate(fields):
        scope[f"set_{index}"] = getattr(cls, field.name).__set__
        made_by_factory.append(field.default_factory is not dataclasses.MISSING)
        if field.default_factory is not dataclasses.MISSING:
            scope[f"new_{index}"] = field.default_factory
            defaults.append(_FACTORY)
        elif field.default is not dataclasses.MISSING:
            defaults.append(field.default)
        elif defaults:
            raise TypeError(f"non-default argument {field.name!r} follows default argument")
    code = _init_code(tuple(made_by_factory), calls_post_init=hasattr(cls, "__post_init__"))
    parameters = ("self", *[field.name for field in fields])
    init = FunctionType(code.replace(co_varnames=parameters), scope, "__init__", tuple(defaults))
    init.__annotations__ = {**{field.name: field.type for field in fields}, "return": None}
    return init


@cache
def _init_code(made_by_factory: tuple[bool, ...], *, calls_post_init: bool) -> CodeType:
    """Compile the `__init__` of the classes that differ only in the names of their fields.

    Args:
        made_by_factory: For each field, whether it has a `default_factory`.
        calls_post_init: Whether it calls `__post_init__`.
    """
    parameters, body = ["self"], []
    for index, has_factory in enumerate(made_by_factory):
        parameters.append(name := f"field_{index}")
        value = f"new_{index}() if {name} is factory else {name}" if has_factory else name
        body.append(f"set_{index}(self, {value})")
    if calls_post_init:
        body.append("self.__post_init__()")
    scope: dict[str, Any] = {}
    exec(f"def __init__({', '.join(parameters)}):\n {'; '.join(body)}", scope)  # noqa: S102 - as the standard library does
    code: CodeType = scope["__init__"].__code__
    return code


def _comparison(fields: tuple["dataclasses.Field[Any]", ...]) -> dict[str, Callable[..., Any]]:
    compared = _values([field.name for field in fields if field.compare])
    hashed = _values([field.name for field in fields if (field.compare if field.hash is None else field.hash)])

    def __eq__(self: object, other: object) -> bool:  # noqa: N807 - becomes a method
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(hashed(self))

    return {"__eq__": __eq__, "__hash__": __hash__}


def _values(names: list[str]) -> Callable[[object], Any]:
    return attrgetter(*names) if names else lambda _: ()


def _repr(fields: tuple["dataclasses.Field[Any]", ...]) -> Callable[[object], str]:
    names = [field.name for field in fields if field.repr]

    @recursive_repr()
    def __repr__(self: object) -> str:  # noqa: N807
        values = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{self.__class__.__qualname__}({values})"

    return __repr__


def short_repr(value: Any) -> str:
    """Represent a dataclass by the fields that differ from their defaults; "…" stands for the values of hidden fields.

    Use it as `__repr__ = short_repr` in a class with many fields, of which most keep their defaults.
    """
    shown = []
    for field in dataclasses.fields(value):
        factory = field.default_factory
        current = getattr(value, field.name)
        if current != (field.default if factory is dataclasses.MISSING else factory()):
            shown.append(f"{field.name}={current!r}" if field.repr else f"{field.name}=…")
    return f"{value.__class__.__qualname__}({', '.join(shown)})"


def _immutability(fields: tuple["dataclasses.Field[Any]", ...]) -> dict[str, Callable[..., Any]]:
    names = [field.name for field in fields]

    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807
        if name in names or "__dataclass_fields__" in type(self).__dict__:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)  # a derived class that is not a dataclass may have more attributes

    def __delattr__(self: object, name: str) -> None:  # noqa: N807
        if name in names or "__dataclass_fields__" in type(self).__dict__:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    def __getstate__(self: Any) -> list[Any]:  # noqa: N807
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
        for field, value in zip(dataclasses.fields(self), state, strict=True):
            object.__setattr__(self, field.name, value)

    return {
        "__setattr__": __setattr__,
        "__delattr__": __delattr__,
        "__getstate__": __getstate__,
        "__setstate__": __setstate__,
    }


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _frozen_with_slots
