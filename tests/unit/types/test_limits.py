"""Limits: validation, and the environment variables that set them."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sealift.errors import InvalidConfig
from sealift.types import Limits, MiB

NAMES = [field.name for field in fields(Limits)]
# A value of each variable, and the limit that it sets.
EXAMPLES: dict[str, tuple[str, Any]] = {
    "memory": ("256MiB", 256 * MiB),
    "connections": ("12", 12),
    "per_host": ("6", 6),
    "part_size": ("8 MiB", 8 * MiB),
    "attempts": ("3", 3),
    "patience": ("0", 0.0),
    "backoff_initial": ("0.5", 0.5),
    "backoff_max": ("1e1", 10.0),
    "idle_timeout": ("2.5", 2.5),
    "min_throughput": ("4kB", 4000),
    "processes": ("0", 0),
    "bandwidth": ("10MiB", 10 * MiB),
}


@pytest.mark.parametrize(
    "name", ["memory", "connections", "per_host", "part_size", "attempts", "idle_timeout", "bandwidth"]
)
@pytest.mark.parametrize("value", [0, -1])
def test_limits_must_be_positive(name: str, value: int) -> None:
    with pytest.raises(InvalidConfig, match=rf"Limits\({name}={value}\) is not positive"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["patience", "backoff_initial", "backoff_max", "min_throughput", "processes"])
def test_some_may_be_zero_but_not_negative(name: str) -> None:
    assert getattr(Limits(**{name: 0}), name) == 0
    with pytest.raises(InvalidConfig, match=rf"Limits\({name}=-1\) is negative"):
        Limits(**{name: -1})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["64MiB", True, [1]], ids=str)
def test_limits_are_numbers(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfig, match=rf"Limits\({name}=.*is not a (whole )?number"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["connections", "per_host", "patience", "idle_timeout", "min_throughput"])
def test_only_some_may_be_none(name: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"Limits\({name}=None\) is not a"):
        Limits(**{name: None})


def test_a_fraction_of_a_byte() -> None:
    with pytest.raises(InvalidConfig, match=r"Limits\(memory=1.5\) is not a whole number"):
        Limits(memory=1.5)  # type: ignore[arg-type]


def test_the_text_shows_what_differs_from_the_defaults() -> None:
    assert repr(Limits()) == "Limits()"
    assert repr(Limits(memory=MiB, patience=1.5)) == "Limits(memory=1048576, patience=1.5)"


def test_no_variable_leaves_the_defaults() -> None:
    assert Limits.from_env({}) == Limits()
    assert Limits.from_env({f"SEALIFT_{name.upper()}": " " for name in NAMES} | {"SEALIFT_LOOP": "uvloop"}) == Limits()


@pytest.mark.parametrize("name", NAMES)
def test_each_limit_has_a_variable(name: str) -> None:
    text, value = EXAMPLES[name]
    assert Limits.from_env({f"SEALIFT_{name.upper()}": f" {text}\n"}) == Limits(**{name: value})


def test_all_variables_together() -> None:
    environ = {f"SEALIFT_{name.upper()}": text for name, (text, _) in EXAMPLES.items()}
    assert Limits.from_env(environ) == Limits(**{name: value for name, (_, value) in EXAMPLES.items()})


@pytest.mark.parametrize("text", ["much", "-1", "1 2", "nan", "9" * 400 + "TB", "0x10"])
@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_cannot_be_used_names_the_variable(name: str, text: str) -> None:
    variable = f"SEALIFT_{name.upper()}"
    with pytest.raises(InvalidConfig, match=f"the environment variable {variable} is '.*' .set it to a ") as caught:
        Limits.from_env({variable: text})
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("SEALIFT_MEMORY", "0", "is '0' (set it to a size in bytes such as 256MiB, more than 0)"),
        ("SEALIFT_CONNECTIONS", "1.5", "is '1.5' (set it to a whole number, more than 0)"),
        ("SEALIFT_PROCESSES", "-1", "is '-1' (set it to a whole number, 0 or more)"),
        ("SEALIFT_PATIENCE", "3 minutes", "is '3 minutes' (set it to a number of seconds, 0 or more)"),
    ],
)
def test_the_message_says_what_to_set(variable: str, text: str, message: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        Limits.from_env({variable: text})
    assert str(caught.value) == f"the environment variable {variable} {message}"


@pytest.mark.parametrize("name", NAMES)
def test_each_variable_is_documented(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text("utf-8")
    assert re.search(rf"^\| .*`SEALIFT_{name.upper()}`.* \| .*`{name}`", page, re.MULTILINE)
