"""Each fault, on each storage, in each direction: correct bytes or one clear error, never wrong bytes, never a hang.

The seed, the last part of a case's name, decides everything else. By default a sample runs: each fault on each storage,
once. `SEALIFT_FAULT_SEEDS=17` runs all cases of a seed, `0-99` those of many; `tox -e soak` runs them in bulk.
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
    storage = request.getfixturevalue(f"{case.storage}_storage")
    outcome = Trial(case, storage, tmp_path).run()
    assert outcome in {"right bytes", "clear error"} or undetectable(case, storage)
