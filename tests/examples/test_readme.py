"""Run the examples of README.md, and check their results."""

import asyncio
from pathlib import Path
from typing import Any

from tests.api.conftest import bare_environment, what_may_block
from tests.api.helpers import files_in
from tests.facade.conftest import the_facade_may_block

from .page import ROOT, Session
from .reader import LLAMA, here, objects, s3, session

__all__ = ["bare_environment", "here", "objects", "s3", "session", "the_facade_may_block", "what_may_block"]


async def load(path: str) -> dict[str, bytes]:
    return await asyncio.to_thread(files_in, path)


def test_readme(session: Session, here: Path, objects: dict[str, bytes]) -> None:
    import joblib

    models: list[Any] = []
    session.names |= {"joblib": joblib, "load": load}
    session.run(
        ROOT / "README.md",
        before={"from sealift import AsyncStorage": lambda: models.append(session.names["model"])},
        # The first is tests/cli/test_demo.py; the second one runs these tests.
        not_run={'python -m pip install ".[demo]" && sealift demo': str, "python -m pip install tox && tox": str},
    )
    assert models[0].predict([[5.1, 3.5, 1.4, 0.2]]).tolist() == [0]
    assert session.names["path"] == f"{here}/mnt/models/llama"
    assert session.names["model"] == LLAMA


def test_it_fits_on_a_screen() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 60
