"""What the seed of a case decides, and what may come of it."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from sealift import Limits, StorageError
from tests.api.helpers import files_in, shows

from .case import Case, Run, Violation, call
from .harm import Around, Harm
from .messages import Asked
from .place import Doors, Place
from .proxy import Exchange

__all__ = ["Trial", "undetectable"]

Shape = Literal["large", "small", "tree"]
Result = Literal["right bytes", "clear error", "size-only"]

_TREE = ("config.json", "sub/weights.bin", "large.bin")


def undetectable(case: Case, place: Place) -> bool:
    """Whether nothing could tell the damage: the service tells no checksum of what it stores."""
    return case.kind.corrupts and case.direction == "download" and place.checked is None


class Trial:
    """A case in a place.

    Args:
        case: What to try.
        place: Where.
        work: An empty directory.
    """

    def __init__(self, case: Case, place: Place, work: Path) -> None:
        self._case = case
        self._place = place
        self._work = work
        self._dice = random.Random(str(case))
        self._shape: Shape = self._dice.choice(["large", "small", "tree"] if place.listed else ["large", "small"])
        if case.kind.ranges:
            self._shape = "large"
        self._before = self._dice.random() < 0.5
        self._prefix = f"p{next(place.numbers)}"

    def run(self) -> Result:
        """Run it and judge.

        Raises:
            Violation: Wrong bytes, a hang, an error that is not clear, or a trace of what has failed.
        """
        try:
            return self._download() if self._case.direction == "download" else self._upload()
        except Violation as violation:
            raise Violation(f"{self._case} ({self._shape}, {'over others' * self._before}): {violation}") from violation

    # Download

    def _download(self) -> Result:
        case, place = self._case, self._place
        files = self._files()
        place.put(self._prefix, files)
        new = {path: bytes(reversed(data)) for path, data in files.items()}
        dest = self._work / "there"
        old = {path: b"old " + path.encode() for path in files} | {"other": b"not ours"} if self._before else {}
        _write(dest, old)
        with self._fault(files, lambda: place.put(self._prefix, new)) as (harm, doors):
            run = self._call(doors, dest)
            found = _visible(dest)
            if run.error is not None:
                self._clear(run.error, doors)
                for path, data in found.items():
                    if data not in {old.get(path), files.get(path), new.get(path)}:
                        raise Violation(f"{path} has wrong bytes after {run.error!r}")
                if missing := old.keys() - found.keys():
                    raise Violation(f"{missing} are gone after {run.error!r}")
                if not old and found:
                    raise Violation(f"{found.keys()} are there after {run.error!r}")
            else:
                self._judge(run, found, old, files, new)
            self._heals(run, harm)
            if run.error is not None:
                self._once_more(doors, dest, harm, run)
                if _visible(dest) != old | (new if case.fault == "replaced" else files):
                    raise Violation(f"a second call brought wrong bytes after {run.error!r}")
        if left := [str(path) for path in self._work.rglob(".sealift*")]:
            raise Violation(f"{left} is left")
        if run.error is not None:
            return "clear error"
        return "right bytes" if found in [old | files, old | new] else "size-only"

    def _judge(
        self, run: Run, found: dict[str, bytes], old: dict[str, bytes], files: dict[str, bytes], new: dict[str, bytes]
    ) -> None:
        """The call has said that all is well."""
        if found.keys() != (old | files).keys():
            raise Violation(f"it said that all is well, and there are {sorted(found)}")
        for path, data in found.items():
            right = {old.get(path)} if path not in files else {files[path]}
            if path in files and self._case.fault == "replaced":
                right.add(new[path])
            if data in right:
                continue
            verified = run.verified.get(path)
            if verified != "size-only":
                raise Violation(f"{path} has wrong bytes, and {verified!r} was said to have been compared")
            if not undetectable(self._case, self._place):
                raise Violation(f"{path} has wrong bytes, and its checksum was not compared")

    # Upload

    def _upload(self) -> Result:
        place = self._place
        assert place.content is not None
        files = self._files()
        source = self._work / "here"
        _write(source, files)
        old = {path: b"old " + path.encode() for path in files} if self._before else {}
        if old:
            place.put(self._prefix, old)
        before = place.leftovers()
        with self._fault(files, lambda: None) as (harm, doors):
            run = self._call(doors, source)
            found = place.content(self._prefix)
            for path, data in found.items():
                if data not in {old.get(path), files.get(path)}:
                    raise Violation(f"{path} has wrong bytes, and the call said {run.error!r}")
            if run.error is not None:
                self._clear(run.error, doors)
                if missing := old.keys() - found.keys():
                    raise Violation(f"{missing} are gone after {run.error!r}")
            elif found != files:
                raise Violation(f"it said that all is well, and there are {sorted(found)}")
            self._heals(run, harm)
            if run.error is not None:
                self._once_more(doors, source, harm, run)
                if place.content(self._prefix) != files:
                    raise Violation(f"a second call stored wrong bytes after {run.error!r}")
        left = place.leftovers() - before
        if left and not any(map(place.unheard, harm.struck)):
            raise Violation(f"of unfinished uploads {left} is left after {run.error!r}")
        return "right bytes" if run.error is None else "clear error"

    # Both

    def _once_more(self, doors: Doors, directory: Path, harm: Harm, run: Run) -> None:
        """The same call, and nothing goes wrong any more."""
        harm.times = -1
        again = self._call(doors, directory)
        if again.error is not None:
            raise Violation(f"a second call failed: {again.error!r} after {run.error!r}") from again.error

    def _files(self) -> dict[str, bytes]:
        part = self._part
        large = 5 * part + 17 if part < 1 << 20 else 2 * part + 17
        sizes = {"large.bin": large} if self._shape == "large" else {"small.bin": 20_000}
        if self._shape == "tree":
            sizes = dict(zip(_TREE, (3000, 30_000, large), strict=True)) | {"empty.bin": 0}
        return {path: self._dice.randbytes(size) for path, size in sizes.items()}

    @property
    def _part(self) -> int:
        return 64 << 10 if self._case.direction == "download" else self._place.part

    @property
    def _limits(self) -> Limits:
        impatient = self._case.kind.impatient
        attempts = 2 if self._case.fault == "outage" else 5
        return Limits(part_size=self._part, attempts=attempts, idle_timeout=0.7 if impatient else 30.0)

    @contextlib.contextmanager
    def _fault(self, files: Mapping[str, bytes], swap: Callable[[], object]) -> Iterator[tuple[Harm, Doors]]:
        """The place behind proxies that do harm."""
        case, place = self._case, self._place
        usual = self._usual()
        first = self._dice.randrange(len(usual)) if usual else 0
        swapped = threading.Lock()

        def swap_once() -> None:
            if swapped.acquire(blocking=False):
                swap()

        around = Around(self._dice, files.get("large.bin", b""), place.expired, swap_once)
        harm = Harm(case.kind, around, self._carries, first, self._dice.choice(case.kind.times))
        with place.behind(harm, handshake=case.kind.tls) as behind:
            yield harm, behind.doors
        for proxy in behind.proxies:
            if proxy.troubles:
                raise Violation("the proxy itself failed") from proxy.troubles[0]

    def _carries(self, asked: Asked) -> bool:
        return self._place.carries(asked) if self._case.direction == "download" else asked.length >= 2000

    def _usual(self) -> list[Asked]:
        """The requests that can be struck, of a call in which nothing goes wrong."""
        case, place = self._case, self._place
        kept = (case.direction, self._shape)
        if kept not in place.usual:
            asked: list[Asked] = []

            def watch(exchange: Exchange) -> bool:
                asked.append(exchange.asked)
                return False

            calm = Trial(replace(case, fault="slow-tls"), place, self._work / "calm")
            calm._shape = self._shape
            calm._before = False
            with place.behind(watch) as behind:
                run = calm._calm(behind.doors)
            if run.error is not None:
                raise Violation("it fails where nothing goes wrong") from run.error
            place.usual[kept] = asked
        return [each for each in place.usual[kept] if case.kind.concerns(each, carries=self._carries(each))]

    def _calm(self, doors: Doors) -> Run:
        files = self._files()
        if self._case.direction == "download":
            self._place.put(self._prefix, files)
        else:
            _write(self._work, files)
        self._work.mkdir(parents=True, exist_ok=True)
        return self._call(doors, self._work)

    def _call(self, doors: Doors, directory: Path) -> Run:
        environ = {**self._place.environ(doors), "XDG_STATE_HOME": str(self._work / "state"), "HOME": str(self._work)}
        if doors.ca_file is not None:
            environ["SSL_CERT_FILE"] = doors.ca_file
        name = "" if self._shape == "tree" else f"/{self._shape}.bin"
        ends = [f"{self._place.uri(doors, self._prefix)}{name}", f"{directory}{name}"]
        if self._case.direction == "upload":
            ends.reverse()
        return call(self._case, self._limits, *ends, self._place.config(doors), environ)

    def _clear(self, error: BaseException, doors: Doors) -> None:
        """An error is one of ours, names what failed, and shows no secret."""
        if not isinstance(error, StorageError):
            raise Violation(f"the error is no StorageError: {error!r}") from error
        uri = self._place.uri(doors, self._prefix)
        if self._case.direction not in str(error) or uri not in str(error):
            raise Violation(f"the error does not name what failed: {error}") from error
        if shown := shows(error, *self._place.secrets):
            raise Violation(f"the error shows {shown}: {error}") from error

    def _heals(self, run: Run, harm: Harm) -> None:
        if not harm.struck:
            raise Violation("nothing was struck")
        case = self._case
        renewed = case.fault == "expired" and harm.struck[0].place == 1
        refused = case.kind.corrupts and case.direction == "upload" and self._place.compares
        if run.error is not None and (case.kind.heals or renewed or refused):
            raise Violation(f"another attempt would have done: {run.error}") from run.error
        if case.fault == "busy" and self._carries(harm.struck[0]) and max(run.delays, default=0) < 1:
            raise Violation(f"the service asked to wait for a second, and the delays were {run.delays}")


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)


def _visible(directory: Path) -> dict[str, bytes]:
    """All files that somebody would find."""
    return {path: data for path, data in files_in(directory).items() if ".sealift" not in Path(path).parts}
