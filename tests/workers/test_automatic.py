"""Without a number, workers are started for large downloads in hosts whose interpreter is busy."""

import asyncio
import threading
from pathlib import Path

import pytest

from sealift.errors import InvalidConfig
from sealift.runtime.control_groups import available_cpus
from sealift.types import Limits
from sealift.wire.workers.interpreter_load import InterpreterLoad
from tests.wire.servers import serve, until

from .parts import BODY, fetch, file, ranges, wire_with_workers


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.wire.workers.workers._LARGE", 2 * len(BODY))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("busy", "cpus", "expected"), [(True, 2.0, 2), (True, 1.5, 1), (True, 1.0, 0), (False, 4.0, 0)]
)
async def test_workers_are_started_where_they_pay(
    busy: bool, cpus: float, expected: int, tmp_path: Path, few_bytes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InterpreterLoad, "busy", lambda self: busy)
    monkeypatch.setattr("sealift.wire.workers.workers.available_cpus", lambda: cpus)
    async with serve(ranges()) as server, wire_with_workers(processes=None) as wire:
        with file(tmp_path / "m") as target:
            await fetch(wire, server, target.part())
            assert wire._workers._starting is None
            await fetch(wire, server, target.part())  # a thread receives it meanwhile
            if (starting := wire._workers._starting) is not None:
                await starting
            assert wire._workers.running == expected
            await fetch(wire, server, target.part())
            assert target.holds()
            assert wire._workers.running == expected


@pytest.mark.anyio
async def test_a_host_that_computes_is_busy() -> None:
    load, ended = InterpreterLoad(), threading.Event()

    def compute() -> None:
        while not ended.is_set():
            sum(range(1000))

    computing = threading.Thread(target=compute)
    computing.start()
    try:
        await until(load.busy)
    finally:
        ended.set()
        computing.join()


@pytest.mark.anyio
async def test_nobody_asks_nobody_measures() -> None:
    load = InterpreterLoad()
    assert not load.busy()
    assert load._thread is not None
    await asyncio.to_thread(load._thread.join)
    assert not load.busy()
    await until(load.delay)


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        ("0::/pod/app\n", {"pod/cpu.max": "50000 100000\n", "pod/app/cpu.max": "max 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "25000 100000\n"}, 0.25),
        ("4:cpu,cpuacct:/pod\n", {"cpu/pod/cpu.cfs_quota_us": "20000", "cpu/pod/cpu.cfs_period_us": "100000"}, 0.2),
        ("4:cpu:/pod\n3:memory:/pod\n", {"cpu/pod/cpu.cfs_quota_us": "-1", "cpu/pod/cpu.cfs_period_us": "1"}, None),
        ("0::/\n", {}, None),
    ],
)
def test_available_cpus(membership: str, files: dict[str, str], quota: float | None, tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text(membership)
    for name, text in files.items():
        (tmp_path / "mounted" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mounted" / name).write_text(text)
    found = available_cpus(tmp_path / "cgroup", tmp_path / "mounted")
    assert found == quota if quota is not None else found >= 1


def test_a_negative_number() -> None:
    with pytest.raises(InvalidConfig, match=r"Limits\(processes=-1\) is negative"):
        Limits(processes=-1)
