"""The CRC functions are those of awscrt, but loading them neither starts awscrt nor stops other threads."""

import json
import subprocess
import sys

import pytest
from awscrt import checksums as official

from sealift.integrity import crc_library

NAMES = ("crc32", "crc32c", "crc64nvme")

# Reports what happened before the first function that loads a library while it holds the interpreter lock: ctypes'
# constructor, or the import of an extension module.
PROGRAM = """
import json, sys
import ctypes
from sealift.integrity import checksums
events = []
def audit(event, arguments):
    path = str(arguments[0]) if event == "ctypes.dlopen" else str(arguments[1]) if event == "import" else ""
    if "_awscrt" in path:
        events.append([event, "_awscrt" in open("/proc/self/maps").read()])
sys.addaudithook(audit)
digests = {name: checksums.digest(name, b"123456789") for name in ("crc32", "crc32c", "crc64nvme")}
print(json.dumps({"events": events, "modules": [*sys.modules], "digests": digests}))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_awscrt_is_not_started(loaded: dict[str, object]) -> None:
    modules = loaded["modules"]
    assert isinstance(modules, list)
    assert not {"_awscrt", "awscrt"} & set(modules)
    assert loaded["digests"] == {"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888"}


def test_the_library_is_mapped_before_it_is_opened_with_the_interpreter_lock(loaded: dict[str, object]) -> None:
    assert loaded["events"] == [["ctypes.dlopen", True]]


@pytest.mark.parametrize("load", [crc_library._from_file, crc_library._from_module])
@pytest.mark.parametrize("name", NAMES)
def test_functions_are_those_of_awscrt(load: object, name: str) -> None:
    assert callable(load)
    crc, combine = load()[name]
    first, second = bytes(range(256)) * 300, b"second"
    expected = getattr(official, name)
    assert crc(first, 0) == expected(first, 0)
    assert crc(memoryview(first)[1:-1], 7) == expected(first[1:-1], 7)
    assert crc(b"", 5) == expected(b"", 5)
    assert combine(crc(first, 0), crc(second, 0), len(second)) == expected(first + second, 0)
    with pytest.raises(TypeError):
        crc(1, 0)


@pytest.mark.parametrize("origin", [None, "/nowhere/_awscrt.so", "libc.so.6"])
def test_without_the_functions_of_the_file_awscrt_is_imported(
    origin: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spec:
        pass

    spec = Spec()
    spec.origin = origin  # type: ignore[attr-defined] # stands for a ModuleSpec
    monkeypatch.setattr(crc_library, "find_spec", lambda name: spec)
    monkeypatch.delitem(sys.modules, "_awscrt")
    crc, _ = crc_library.load.__wrapped__()["crc32c"]
    assert crc is official.crc32c
