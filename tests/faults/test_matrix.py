"""Each fault, on each storage, in each direction: the right bytes or one clear error, never wrong bytes, never a hang.

Each case is decided by its seed, the last part of its name. By default a sample runs: each fault on each storage, once.
`SEALIFT_FAULT_SEEDS=17` runs all cases of a seed, `0-99` those of many; `tox -e soak` does so in bulk.
"""

import os
from pathlib import Path

import pytest

from .case import Case
from .matrix import cases, sample, seeds_of
from .trial import Trial, undetectable

_SEEDS = os.environ.get("SEALIFT_FAULT_SEEDS")
_CASES = cases(seeds_of(_SEEDS)) if _SEEDS else sample()


@pytest.mark.parametrize("case", _CASES, ids=str)
def test_the_right_bytes_or_one_clear_error(case: Case, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    place = request.getfixturevalue(f"{case.place}_place")
    outcome = Trial(case, place, tmp_path).run()
    assert outcome in {"right bytes", "clear error"} or undetectable(case, place)
