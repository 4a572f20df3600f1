"""Situations in which several models are downloaded by one call; see `rows.py`."""

from tests.kserve.repositories import IMAGE
from tests.kserve.row import Row

__all__ = ["SEVERAL_ROWS"]

_WEIGHTS, _UNZIPPED = {"model.bin": b"weights"}, {"model.bin": b"of the zip"}


def _in(directory: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{directory}/{path}": data for path, data in files.items()}


SEVERAL_ROWS = [
    Row("no models", "", {}, more=[]),
    Row("one model of a list", "", _in("a", _WEIGHTS), more=[("{s3}/one/", "a")]),
    Row(
        "models of several storages",
        "",
        {
            **_in("a", _WEIGHTS), **_in("b/c", {"model.joblib": b"model"}), **_in("d", _WEIGHTS), **_in("e", _UNZIPPED),
            **_in("f", {path: data for path, data in IMAGE.items() if not path.endswith(".json")}),
        },
        more=[
            ("{s3}/one/", "a"), ("{gs}/iris", "b/c"), ("{azure}/one", "d/"), ("{web}/m/model.zip", "e"),
            ("{registry}/team/model", "f"),
        ],
        ignore=["*.json"],
        better="ignores the patterns for an image",
    ),
    Row("the same model twice", "", {**_in("a", _WEIGHTS), **_in("b", _WEIGHTS)},
        more=[("{s3}/one/", "a"), ("{s3}/one/", "b")]),
    Row("two models in one directory", "", _in("a", _UNZIPPED),
        more=[("{s3}/one/", "a"), ("{web}/m/model.zip", "a/")]),
    Row("a model in the directory of another", "", {**_in("a", _WEIGHTS), **_in("a/b", _UNZIPPED)},
        more=[("{web}/m/model.zip", "a/b"), ("{s3}/one/", "a")]),
    Row("a local model of several", "", {**_in("a", _WEIGHTS), **_in("b", _WEIGHTS)},
        more=[("{local}/one", "a"), ("{gs}/one/model.bin", "b")]),
]  # fmt: skip
