"""Headers and indexes that would cost a reader much time, or fill its log: huge numbers of names, and huge names."""

import json
from collections.abc import Callable

import pytest

from sealift.errors import InvalidConfig, TensorFileError
from sealift.tensors.header import PREFIX, parse_header
from sealift.tensors.meta import TensorMeta
from sealift.tensors.selection import find_tensor
from sealift.tensors.weight_index import check_against_files, parse_index

HUGE = "x" * 300_000
ENTRY = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'


def header(text: str) -> None:
    parse_header(text.encode(), PREFIX + len(text), "f")


def index(file: object, name: str = HUGE) -> None:
    parse_index(json.dumps({"weight_map": {name: file}}).encode())


def unused(name: str) -> None:
    check_against_files({}, [TensorMeta(name, "U8", (0,), 0, "f", 8)])


CASES: dict[str, Callable[[], object]] = {
    "a name twice": lambda: header(f'{{"{HUGE}": {ENTRY}, "{HUGE}": {ENTRY}}}'),
    "a field": lambda: header(f'{{"a": {{"{HUGE}": 1}}}}'),
    "a dtype": lambda: header(f'{{"a": {{"dtype": "{HUGE}", "shape": [], "data_offsets": [0, 0]}}}}'),
    "a dtype of lists": lambda: header(
        f'{{"a": {{"dtype": {"[" * 900}{"]" * 900}, "shape": [], "data_offsets": [0, 0]}}}}'
    ),
    "a name": lambda: header(f'{{"{HUGE}": {{}}}}'),
    "a name in an index": lambda: index(1),
    "a file in an index": lambda: index(f"../{HUGE}", "a"),
    "a name that is not in the index": lambda: unused(HUGE),
    "a name that does not exist": lambda: find_tensor({}, HUGE),
}


@pytest.mark.parametrize("case", CASES)
def test_errors_are_short(case: str) -> None:
    with pytest.raises((TensorFileError, InvalidConfig)) as caught:
        CASES[case]()
    assert len(str(caught.value)) < 600


def test_a_name_twice_among_very_many() -> None:
    """Would take minutes if the names were compared with one another."""
    entries = ",".join(f'"{number}":{ENTRY}' for number in range(60_000))
    with pytest.raises(TensorFileError, match="has '59999' twice"):
        header(f'{{{entries},"59999":{ENTRY}}}')


@pytest.mark.parametrize("length", [50, 5000])
def test_a_name_that_does_not_exist_among_very_many(length: int) -> None:
    """Would take a minute if all long names were compared with difflib."""
    names = [f"model.layers.{number}.mlp.experts.{number % 64}.down_proj.weight" for number in range(10_000)]
    metas = {name: TensorMeta(name, "U8", (0,), 0, "f", 8) for name in (each.ljust(length, "x") for each in names)}
    with pytest.raises(InvalidConfig, match=r"similar names: model\.layers\.3\." if length == 50 else "lists them"):
        find_tensor(metas, "model.layers.3.mlp.experts.3.down_proj.weigt".ljust(length, "x"))
