"""Run a case as its seed decides, and check the result."""

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
from .injection import Context, Injection
from .messages import Request
from .proxy import Exchange
from .storage import Endpoints, StorageServer

__all__ = ["Trial", "undetectable"]

Shape = Literal["large", "small", "tree"]
Result = Literal["right bytes", "clear error", "size-only"]

_TREE = ("config.json", "sub/weights.bin", "large.bin")


def undetectable(case: Case, storage: StorageServer) -> bool:
    """Whether the damage cannot be detected, because the service provides no checksum of the stored bytes."""
    return case.kind.corrupts and case.direction == "download" and storage.checked is None


class Trial:
    """A case on a storage.

    Args:
        case: The case to run.
        storage: The storage under test.
        work: An empty directory.
    """

    def __init__(self, case: Case, storage: StorageServer, work: Path) -> None:
        self._case = case
        self._storage = storage
        self._work = work
        self._rng = random.Random(str(case))
        self._shape: Shape = self._rng.choice(["large", "small", "tree"] if storage.listed else ["large", "small"])
        if case.kind.ranges:
            self._shape = "large"
        self._before = self._rng.random() < 0.5
        self._prefix = f"p{next(storage.numbers)}"

    def run(self) -> Result:
        """Run the case and check the result.

        Raises:
            Violation: Wrong bytes, a hang, an unclear error, or leftovers of the failure.
        """
        try:
            return self._download() if self._case.direction == "download" else self._upload()
        except Violation as violation:
            raise Violation(f"{self._case} ({self._shape}, {'overwriting' * self._before}): {violation}") from violation

    # Download

    def _download(self) -> Result:
        case, storage = self._case, self._storage
        files = self._files()
        storage.put(self._prefix, files)
        new = {path: bytes(reversed(data)) for path, data in files.items()}
        dest = self._work / "target"
        old = {path: b"old " + path.encode() for path in files} | {"other": b"not ours"} if self._before else {}
        _write(dest, old)
        with self._fault(files, lambda: storage.put(self._prefix, new)) as (injection, endpoints):
            run = self._call(endpoints, dest)
            found = _visible(dest)
            if run.error is not None:
                self._check_error(run.error, endpoints)
                for path, data in found.items():
                    if data not in {old.get(path), files.get(path), new.get(path)}:
                        raise Violation(f"{path} has wrong bytes after {run.error!r}")
                if missing := old.keys() - found.keys():
                    raise Violation(f"{missing} disappeared after {run.error!r}")
                if not old and found:
                    raise Violation(f"{found.keys()} exist after {run.error!r}")
            else:
                self._check_success(run, found, old, files, new)
            self._check_recovery(run, injection)
            if run.error is not None:
                self._call_again(endpoints, dest, injection, run)
                if _visible(dest) != old | (new if case.fault == "replaced" else files):
                    raise Violation(f"a second call downloaded wrong bytes after {run.error!r}")
        if left := [str(path) for path in self._work.rglob(".sealift*")]:
            raise Violation(f"left behind: {left}")
        if run.error is not None:
            return "clear error"
        return "right bytes" if found in [old | files, old | new] else "size-only"

    def _check_success(
        self, run: Run, found: dict[str, bytes], old: dict[str, bytes], files: dict[str, bytes], new: dict[str, bytes]
    ) -> None:
        """Check the result of a call that succeeded."""
        if found.keys() != (old | files).keys():
            raise Violation(f"the call succeeded, but the destination contains {sorted(found)}")
        for path, data in found.items():
            right = {old.get(path)} if path not in files else {files[path]}
            if path in files and self._case.fault == "replaced":
                right.add(new[path])
            if data in right:
                continue
            verified = run.verified.get(path)
            if verified != "size-only":
                raise Violation(f"{path} has wrong bytes, but {verified!r} was reported as verified")
            if not undetectable(self._case, self._storage):
                raise Violation(f"{path} has wrong bytes, and its checksum was not compared")

    # Upload

    def _upload(self) -> Result:
        storage = self._storage
        assert storage.content is not None
        files = self._files()
        source = self._work / "source"
        _write(source, files)
        old = {path: b"old " + path.encode() for path in files} if self._before else {}
        if old:
            storage.put(self._prefix, old)
        before = storage.unfinished_uploads()
        with self._fault(files, lambda: None) as (injection, endpoints):
            run = self._call(endpoints, source)
            found = storage.content(self._prefix)
            for path, data in found.items():
                if data not in {old.get(path), files.get(path)}:
                    raise Violation(f"{path} has wrong bytes after {run.error!r}")
            if run.error is not None:
                self._check_error(run.error, endpoints)
                if missing := old.keys() - found.keys():
                    raise Violation(f"{missing} disappeared after {run.error!r}")
            elif found != files:
                raise Violation(f"the call succeeded, but the destination contains {sorted(found)}")
            self._check_recovery(run, injection)
            if run.error is not None:
                self._call_again(endpoints, source, injection, run)
                if storage.content(self._prefix) != files:
                    raise Violation(f"a second call stored wrong bytes after {run.error!r}")
        left = storage.unfinished_uploads() - before
        if left and not any(map(storage.orphans, injection.struck)):
            raise Violation(f"unfinished uploads left behind after {run.error!r}: {left}")
        return "right bytes" if run.error is None else "clear error"

    # Both

    def _call_again(self, endpoints: Endpoints, directory: Path, injection: Injection, run: Run) -> None:
        """Make the same call without the fault."""
        injection.times = -1
        again = self._call(endpoints, directory)
        if again.error is not None:
            raise Violation(f"a second call failed: {again.error!r} after {run.error!r}") from again.error

    def _files(self) -> dict[str, bytes]:
        part = self._part
        large = 5 * part + 17 if part < 1 << 20 else 2 * part + 17
        sizes = {"large.bin": large} if self._shape == "large" else {"small.bin": 20_000}
        if self._shape == "tree":
            sizes = dict(zip(_TREE, (3000, 30_000, large), strict=True)) | {"empty.bin": 0}
        return {path: self._rng.randbytes(size) for path, size in sizes.items()}

    @property
    def _part(self) -> int:
        return 64 << 10 if self._case.direction == "download" else self._storage.part

    @property
    def _limits(self) -> Limits:
        impatient = self._case.kind.impatient
        attempts = 2 if self._case.fault == "outage" else 5
        return Limits(part_size=self._part, attempts=attempts, idle_timeout=0.7 if impatient else 30.0)

    @contextlib.contextmanager
    def _fault(self, files: Mapping[str, bytes], swap: Callable[[], object]) -> Iterator[tuple[Injection, Endpoints]]:
        """The storage behind proxies that inject the fault."""
        case, storage = self._case, self._storage
        baseline = self._baseline()
        first = self._rng.randrange(len(baseline)) if baseline else 0
        swapped = threading.Lock()

        def swap_once() -> None:
            if swapped.acquire(blocking=False):
                swap()

        context = Context(self._rng, files.get("large.bin", b""), storage.expired, swap_once)
        injection = Injection(case.kind, context, self._carries, first, self._rng.choice(case.kind.times))
        with storage.proxied(injection, handshake=case.kind.tls) as proxied:
            yield injection, proxied.endpoints
        for proxy in proxied.proxies:
            if proxy.failures:
                raise Violation("the proxy itself failed") from proxy.failures[0]

    def _carries(self, request: Request) -> bool:
        return self._storage.carries(request) if self._case.direction == "download" else request.length >= 2000

    def _baseline(self) -> list[Request]:
        """The requests of a call without a fault that the fault can hit."""
        case, storage = self._case, self._storage
        key = (case.direction, self._shape)
        if key not in storage.baseline:
            requests: list[Request] = []

            def watch(exchange: Exchange) -> bool:
                requests.append(exchange.request)
                return False

            undisturbed = Trial(replace(case, fault="slow-tls"), storage, self._work / "undisturbed")
            undisturbed._shape = self._shape
            undisturbed._before = False
            with storage.proxied(watch) as proxied:
                run = undisturbed._call_undisturbed(proxied.endpoints)
            if run.error is not None:
                raise Violation("the call fails without a fault") from run.error
            storage.baseline[key] = requests
        return [each for each in storage.baseline[key] if case.kind.concerns(each, carries=self._carries(each))]

    def _call_undisturbed(self, endpoints: Endpoints) -> Run:
        files = self._files()
        if self._case.direction == "download":
            self._storage.put(self._prefix, files)
        else:
            _write(self._work, files)
        self._work.mkdir(parents=True, exist_ok=True)
        return self._call(endpoints, self._work)

    def _call(self, endpoints: Endpoints, directory: Path) -> Run:
        environ = {
            **self._storage.environ(endpoints),
            "XDG_STATE_HOME": str(self._work / "state"),
            "HOME": str(self._work),
        }
        if endpoints.ca_file is not None:
            environ["SSL_CERT_FILE"] = endpoints.ca_file
        name = "" if self._shape == "tree" else f"/{self._shape}.bin"
        ends = [f"{self._storage.uri(endpoints, self._prefix)}{name}", f"{directory}{name}"]
        if self._case.direction == "upload":
            ends.reverse()
        return call(self._case, self._limits, *ends, self._storage.config(endpoints), environ)

    def _check_error(self, error: BaseException, endpoints: Endpoints) -> None:
        """Check that an error is a `StorageError`, names what failed, and contains no secret."""
        if not isinstance(error, StorageError):
            raise Violation(f"the error is not a StorageError: {error!r}") from error
        uri = self._storage.uri(endpoints, self._prefix)
        if self._case.direction not in str(error) or uri not in str(error):
            raise Violation(f"the error does not name what failed: {error}") from error
        if shown := shows(error, *self._storage.secrets):
            raise Violation(f"the error contains {shown}: {error}") from error

    def _check_recovery(self, run: Run, injection: Injection) -> None:
        if not injection.struck:
            raise Violation("the fault hit no request")
        case = self._case
        renewed = case.fault == "expired" and injection.struck[0].proxy_index == 1
        refused = case.kind.corrupts and case.direction == "upload" and self._storage.compares
        if run.error is not None and (case.kind.heals or renewed or refused):
            raise Violation(f"a retry would have succeeded: {run.error}") from run.error
        if case.fault == "busy" and self._carries(injection.struck[0]) and max(run.delays, default=0) < 1:
            raise Violation(f"Retry-After was one second, but the delays were {run.delays}")


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)


def _visible(directory: Path) -> dict[str, bytes]:
    """All files except those in `.sealift`."""
    return {path: data for path, data in files_in(directory).items() if ".sealift" not in Path(path).parts}
