"""`tensors`: byte-equality with the official library from every storage, slices, ownership, the caller's memory."""

import asyncio
import gc
import random
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sealift
from sealift import (
    AsyncStorage,
    InvalidConfig,
    Limits,
    ModelMissingError,
    Storage,
    TensorFileError,
    UnsupportedOperation,
)
from sealift.errors import ClosedError, IntegrityError
from sealift.types import KiB, MiB
from tests.tensors.conftest import STORAGES, Place
from tests.tensors.models import INDEX, NAMES, Model, Tensor, file_of, model_of, tensor

pytestmark = pytest.mark.anyio
Places = Callable[[str], Place]


@pytest.fixture
def directory(places: Places) -> str:
    return places("local").uri


def as_bytes(array: np.ndarray[Any, Any]) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def check(found: dict[str, Any], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, (dtype, shape, data) in expected.items():
        assert found[name].shape == shape
        assert found[name].dtype == np.dtype(getattr(ml_dtypes, NAMES[dtype], NAMES[dtype]))
        assert found[name].flags.writeable
        assert as_bytes(found[name]) == data


@pytest.fixture(params=STORAGES)
def place(request: pytest.FixtureRequest, places: Places) -> Place:
    return places(request.param)  # not in the test: starting a server blocks the event loop


async def test_every_storage(place: Place, model: Model) -> None:
    # Small parts and little memory: each tensor needs several requests, and the large one exceeds the memory.
    limits = Limits(part_size=256 * KiB)
    async with AsyncStorage(limits, environ=place.environ) as client:
        async with client.tensors(place.uri, config=place.config, memory=MiB) as tensors:
            assert sorted(tensors.names) == sorted(model.tensors)
            assert tensors.metadata == {"format": "pt"}
            assert tensors.nbytes == sum(len(data) for _, _, data in model.tensors.values())
            assert tensors.bytes_read == 0
            meta = tensors.meta("large")
            assert (meta.dtype, meta.shape, meta.nbytes, meta.file) == (
                "BF16",
                (1200, 1024),
                2457600,
                model.where["large"],
            )
            check(await tensors.load(), dict(model.tensors))
            assert tensors.bytes_read >= tensors.nbytes
            assert {read.verified for read in tensors.reads.values()} == {place.checked}
            assert {read.method for read in tensors.reads.values()} == {"whole"}
            check({name: each async for name, each in tensors}, dict(model.tensors))
            half = await tensors.load(["large", "middle"], slices={"large": (0, 600, 1200), "middle": (1, 100, 103)})
            assert as_bytes(half["large"]) == model.tensors["large"][2][600 * 2048 :]
            middle = np.frombuffer(model.tensors["middle"][2], np.float16).reshape(300, 500)
            assert np.array_equal(half["middle"].view(np.uint16), middle[:, 100:103].view(np.uint16))
            assert tensors.reads["large"].verified == "size-only"
        with pytest.raises(ClosedError):
            await tensors.load()
        with pytest.raises(ClosedError):
            _ = tensors.names


def test_without_a_loop(places: Places, model: Model) -> None:
    place = places("s3")
    config = sealift.S3Config(
        place.environ["AWS_ACCESS_KEY_ID"],
        place.environ["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=place.environ["AWS_ENDPOINT_URL"],
    )
    with Storage.tensors(place.uri, config=config) as tensors:
        assert sorted(tensors.names) == sorted(model.tensors)
        assert tensors.meta("scalar").shape == ()
        assert repr(tensors) == f"<Tensors {place.uri!r}>"
        check(dict(tensors), dict(model.tensors))
        check(tensors.load(["scalar"]), {"scalar": model.tensors["scalar"]})
        scalar = np.zeros((), np.float64)
        tensors.into({"scalar": scalar})
        assert as_bytes(scalar) == model.tensors["scalar"][2]
        with tensors.stream() as stream:
            next(stream)
        assert list(stream) == []
        assert tensors.nbytes < tensors.bytes_read
        assert tensors.reads["scalar"].method == "whole"
        assert tensors.metadata == {"format": "pt"}
    assert tensors.closed
    with pytest.raises(ClosedError):
        tensors.load()


_shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)
_file = st.dictionaries(st.integers(0, 50), st.tuples(st.sampled_from(sorted(NAMES)), _shapes), max_size=5)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(_file, min_size=1, max_size=3), seed=st.integers(0, 1000), memory=st.sampled_from([1, 100, MiB]))
def test_random_models(files: list[dict[int, Any]], seed: int, memory: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    made = model_of(
        *({f"{file}.{name}": tensor(*kind, rng) for name, kind in each.items()} for file, each in enumerate(files))
    )
    if not made.tensors:
        return
    for path in tmp_path.iterdir():
        path.unlink()
    for name, data in made.files.items():
        (tmp_path / name).write_bytes(data)
    with Storage.tensors(tmp_path, memory=memory) as tensors:
        check(dict(tensors.stream()), dict(made.tensors))
        check(tensors.load(), dict(made.tensors))


async def test_tensors_belong_to_the_caller(directory: str, model: Model) -> None:
    """Each has memory of its own: neither a change of another one nor a later read changes it."""
    async with AsyncStorage().tensors(directory, memory=256 * KiB) as tensors:
        kept: dict[str, Any] = {}
        async for name, each in tensors:
            assert not any(np.shares_memory(each, other) for other in kept.values())
            kept[name] = each
            if name.startswith("layers"):
                each.view(np.uint8)[...] = 0xAA
        again = await tensors.load()
    del tensors
    gc.collect()
    check(again, dict(model.tensors))
    untouched = {name: each for name, each in kept.items() if not name.startswith("layers")}
    check(untouched, {name: model.tensors[name] for name in untouched})


async def test_each_tensor_is_yielded_once_also_if_several_calls_run(directory: str, model: Model) -> None:
    async with AsyncStorage().tensors(directory) as tensors:
        names: list[list[str]] = await asyncio.gather(*(_names(tensors) for _ in range(3)))
        for each in names:
            assert sorted(each) == sorted(model.tensors)
        assert {name async for name, _ in tensors.stream(lambda name: "large" in name)} == {"large", "large.bias"}


async def _names(tensors: sealift.AsyncTensors) -> list[str]:
    return [name async for name, _ in tensors]


async def test_an_iteration_that_is_left(directory: str, model: Model) -> None:
    async with AsyncStorage().tensors(directory, memory=KiB) as tensors:
        async with aclosing(tensors.stream()) as stream:
            await anext(stream)
        left = tensors.stream()
        await anext(left)
    with pytest.raises(ClosedError):
        [each async for each in left]


async def test_no_more_is_read_than_the_caller_takes(tmp_path: Path) -> None:
    rng = random.Random(5)
    content = {f"{number:02}": tensor("U8", (100 * KiB,), rng) for number in range(20)}
    (tmp_path / "x.safetensors").write_bytes(file_of(content))
    async with AsyncStorage().tensors(tmp_path, memory=250 * KiB) as tensors:
        async with aclosing(tensors.stream()) as stream:
            for taken in range(1, 21):
                await anext(stream)
                await asyncio.sleep(0.01)  # time to read too much
                assert tensors.bytes_read <= (taken + 2) * 100 * KiB


async def test_memory_of_the_caller(directory: str, model: Model) -> None:
    _, shape, data = model.tensors["large"]
    array, raw = np.zeros(shape, ml_dtypes.bfloat16), bytearray(len(data))
    integers, scalar = np.zeros(shape, np.uint16), np.zeros((), np.float64)
    async with AsyncStorage(Limits(part_size=512 * KiB)).tensors(directory) as tensors:
        await tensors.into({"large": array, "scalar": scalar})
        assert (as_bytes(array), as_bytes(scalar)) == (data, model.tensors["scalar"][2])
        await tensors.into({"large": integers, "empty": np.empty((0, 4), np.int64)})
        assert as_bytes(integers) == data
        await tensors.into({"large": raw})
        assert raw == data
        part = np.zeros((10, 1024), ml_dtypes.bfloat16)
        await tensors.into({"large": part}, slices={"large": (0, 5, 15)})
        assert as_bytes(part) == data[5 * 2048 : 15 * 2048]

        before, read = scalar.copy(), tensors.bytes_read
        frozen = np.zeros(shape, ml_dtypes.bfloat16)
        frozen.flags.writeable = False
        for bad in (
            np.zeros((1024, 1200), ml_dtypes.bfloat16), np.zeros(shape, np.float16), array.T, array[::2], frozen,
            bytearray(5), b"x" * len(data), [1], memoryview(raw)[::2],
        ):  # fmt: skip
            scalar[...] = 7
            with pytest.raises(InvalidConfig, match="'large'"):
                await tensors.into({"scalar": scalar, "large": bad})
            assert scalar == 7
        with pytest.raises(InvalidConfig, match="no tensor 'larger'.*similar names: large"):
            await tensors.into({"larger": before})
        assert tensors.bytes_read == read


async def test_two_ranks(tmp_path: Path) -> None:
    """Each rank of a tensor-parallel group reads its half, of rows or of columns."""
    rng = random.Random(3)
    shapes = {"rows": (1000, 64), "columns": (64, 40_000)}
    content = {name: tensor("F32", shape, rng) for name, shape in shapes.items()}
    (tmp_path / "x.safetensors").write_bytes(file_of(content))
    arrays = {name: np.frombuffer(data, np.float32).reshape(shape) for name, (_, shape, data) in content.items()}
    for rank in range(2):
        async with AsyncStorage().tensors(tmp_path) as tensors:
            half = await tensors.load(
                slices={
                    "rows": (0, 500 * rank, 500 * rank + 500),
                    "columns": (1, 20_000 * rank, 20_000 * rank + 20_000),
                }
            )
            assert tensors.bytes_read <= 0.52 * tensors.nbytes
            assert {name: read.method for name, read in tensors.reads.items()} == {"rows": "range", "columns": "ranges"}
            assert sum(read.nbytes for read in tensors.reads.values()) == tensors.bytes_read
        assert half["rows"].tobytes() == arrays["rows"][500 * rank :][:500].tobytes()
        assert half["columns"].tobytes() == arrays["columns"][:, 20_000 * rank :][:, :20_000].tobytes()


async def test_memory_that_the_system_does_not_have(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(nbytes: int) -> object:
        raise MemoryError

    monkeypatch.setattr("sealift.tensors.load.allocate", allocate)
    async with AsyncStorage().tensors(directory) as tensors:
        with pytest.raises(InvalidConfig, match="cannot allocate 2457600 bytes for the tensor 'large'"):
            await tensors.load(["large"])


async def test_what_a_uri_may_name(tmp_path: Path) -> None:
    rng = random.Random(1)
    made = model_of({"a": tensor("F32", (3,), rng)}, {"b": tensor("F32", (4,), rng)})
    files = dict(made.files)
    storage = AsyncStorage()

    async def names(path: Path) -> list[str]:
        async with storage.tensors(path) as tensors:
            return list(tensors.names)

    def put(files: dict[str, bytes]) -> Path:
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        place.mkdir()
        for name, data in files.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(data)
        return place

    first, second = sorted(name for name in files if name.endswith(".safetensors"))
    place = put(files | {"consolidated.safetensors": files[first]})
    assert await names(place) == await names(place / INDEX) == ["a", "b"]
    assert await names(place / first) == ["a"]
    assert await names(put({"x.safetensors": files[first], "sub/y.safetensors": files[second]})) == ["a"]
    index = files[INDEX].replace(second.encode(), b"sub/y.safetensors")
    assert await names(put({first: files[first], "sub/y.safetensors": files[second], INDEX: index})) == ["a", "b"]

    for content, kind, message in (
        ({first: files[first], "z.safetensors": files[first]}, TensorFileError, "'a' is in .* and in 'z.safetensors'"),
        ({first: files[first], INDEX: files[INDEX]}, TensorFileError, f"'{second}', which does not exist"),
        ({**files, second: files[first]}, TensorFileError, "the tensor 'a' is in"),
        ({**files, second: files[second][:-1]}, TensorFileError, f"'{second}': the tensor 'b' ends at offset"),
        ({**files, second: files[second] + b"x"}, TensorFileError, f"'{second}': 1 bytes follow"),
        ({**files, second: b""}, TensorFileError, f"'{second}': the file has 0 bytes"),
        ({f"a.{INDEX}": b"{}", f"b.{INDEX}": b"{}"}, InvalidConfig, "several indexes: a"),
        ({"pytorch_model.bin": b"x"}, UnsupportedOperation, "'pytorch_model.bin' may be a pickle file"),
        ({"config.json": b"{}"}, ModelMissingError, "no .safetensors file"),
    ):  # fmt: skip
        with pytest.raises(kind, match=message) as caught:
            await names(put(content))
        assert f"read tensors file://{tmp_path}" in str(caught.value)
    with pytest.raises(UnsupportedOperation, match="pickle"):
        await names(put({"a.pt": b"x"}) / "a.pt")
    with pytest.raises(ModelMissingError):
        await names(tmp_path / "missing")
    with pytest.raises(TensorFileError, match="not a safetensors file"):
        await names(put({"a.gguf": b"GGUF" + bytes(100)}) / "a.gguf")


async def test_arguments(directory: str) -> None:
    storage = AsyncStorage()
    for options, message in (
        ({"framework": "jax"}, "framework='jax'"),
        ({"device": "cuda"}, "numpy has no device 'cuda'"),
        ({"memory": 0}, "memory=0"),
        ({"memory": "64MiB"}, "memory='64MiB'"),
        ({"memory": 1.5}, "memory=1.5"),
        ({"verify": "required"}, "verify='required'"),
    ):
        with pytest.raises(InvalidConfig, match=message):
            await storage.tensors(directory, **options)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match="no checksum"):
        async with storage.tensors(directory, verify="require") as tensors:
            await tensors.load(["large", "large.bias"])
    with pytest.raises(IntegrityError, match="only a part"):
        async with storage.tensors(directory, verify="require") as tensors:
            await tensors.load(["large"])


async def test_types_without_ml_dtypes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(2)
    content = {"a": tensor("BF16", (3, 2), rng), "b": tensor("F8_E4M3", (5,), rng)}
    (tmp_path / "x.safetensors").write_bytes(file_of(content))
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    async with AsyncStorage().tensors(tmp_path) as tensors:
        found = await tensors.load()
    assert (found["a"].dtype, found["b"].dtype) == (np.uint16, np.uint8)
    assert as_bytes(found["a"]) == content["a"][2]
    assert found["a"].shape == (3, 2)
