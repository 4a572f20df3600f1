"""Load and predict with the API document's model classes and the real KServe; run by `tox -e kserve`."""

from pathlib import Path

import pytest

from tests.examples.conftest import environ, flowers, store
from tests.examples.program import run_example, run_program
from tests.examples.shim import CHECKS

__all__ = ["environ", "flowers", "store"]

URI = "s3://my-bucket/models/latest/model.joblib"
FALLBACK = "s3://ml-models/sklearn/iris-classifier/model.joblib"
SUPPLIED = """
from datetime import datetime

import joblib
import kserve
from kserve import Model
from kserve.storage import StorageOperations

assert kserve.ModelServer  # the real one
"""
# As a client of the model server asks: KServe calls the model with the body of a request.
SERVES = """
import asyncio

from sealift.demo.iris import accuracy

measures, kinds = joblib.load("test_set.joblib")

class Served(type(model)):
    def predict(self, payload, headers=None, response_headers=None):
        return {{"predictions": self.model.predict(payload["instances"]).tolist()}}

model = Served({arguments})
assert not model.ready
model.load()
answer = asyncio.run(model({{"instances": measures.tolist()}}))
answer = answer[0] if isinstance(answer, tuple) else answer
result = [model.ready, model.name, accuracy(answer["predictions"] == kinds, True)]
"""


def test_the_shim(tmp_path: Path) -> None:
    theirs = "import kserve.model\nassert kserve.model.InvalidInput is InvalidInput and kserve.errors.ModelNotReady\n"
    done = run_program(tmp_path, CHECKS + theirs, {})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("title", "kind", "arguments"),
    [
        ("Basic Model Download", "MyModel", "'iris'"),
        ("Conditional Model Loading", "ConditionalModel", f"'iris', 's3://my-bucket/gone.joblib', {FALLBACK!r}"),
        ("Model Versioning and Caching", "CachedModel", f"'iris', {URI!r}"),
        ("Storage Error Handling", "RobustModel", f"'iris', {URI!r}"),
    ],
)
def test_a_model_loads_and_predicts(
    tmp_path: Path, environ: dict[str, str], title: str, kind: str, arguments: str
) -> None:
    then = f"model = {kind}({arguments})\n" + SERVES.format(arguments=arguments)
    (ready, name, right), _ = run_example(title, tmp_path, environ, then, SUPPLIED)
    assert (ready, name) == (True, "iris")
    assert right > 0.9
