"""The cost of sealift before it transfers anything: import time, and memory of an idle interpreter."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import measure

_IDLE = Path(__file__).with_name("clients") / "idle.py"
_SDKS = "{'aiobotocore', 'botocore', 'boto3', 'aiohttp', 'gcloud', 'azure', 'huggingface_hub', 'awscrt'}"
_NO_SDK = f"import sys, sealift; found = {_SDKS} & set(sys.modules); sys.exit(str(found) if found else 0)"
_ENVIRON = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Startup:
    """Measurements of the start. `sdks` names the SDKs that `import sealift` should not have imported; "" is good."""

    import_ms: float
    idle_rss: int
    sdks: str


def measure_startup(python: Path, work: Path, repeat: int = 15) -> Startup:
    """Start interpreters with and without `import sealift`, alternating, and compare the medians."""
    _sample(python, work, "-c", "import sealift")
    bare, imported = [], []
    for _ in range(repeat):
        bare.append(_sample(python, work, "-c", "pass").wall_s)
        imported.append(_sample(python, work, "-c", "import sealift").wall_s)
    difference = statistics.median(imported) - statistics.median(bare)
    idle = _median(lambda: _sample(python, work, str(_IDLE)).peak_rss)
    try:
        _sample(python, work, "-c", _NO_SDK)
    except measure.CommandError as error:
        return Startup(difference * 1e3, idle, str(error).splitlines()[-1])
    return Startup(difference * 1e3, idle, "")


def _median(take: Callable[[], int]) -> int:
    return int(statistics.median(take() for _ in range(3)))


def _sample(python: Path, work: Path, *arguments: str) -> measure.Sample:
    return measure.run([str(python), *arguments], _ENVIRON, work)
