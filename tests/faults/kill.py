"""Run a transfer in a process, kill it again and again, and finally let it finish."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Set as AbstractSet
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from sealift.types import KiB

from .case import Violation
from .injection import Direction
from .messages import Request
from .payload import IN_FLIGHT, UNJOURNALED, Payload, Shape
from .proxy import PIECE, ConnectionDone, Exchange
from .storage import Endpoints, StorageServer

# Bytes of the heads of a request with a body and of its reply.
_HEADS = 2 * KiB
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class KillStats:
    """The cost of the kills.

    Attributes:
        kills: How often the process was killed.
        transfers: Number of transfers.
        size: Bytes of their files.
        moved: Body bytes that the proxy forwarded.
        most: Body bytes that were allowed.
        orphaned: Uploads that the process had started and could not record; they remained in the end.
    """

    kills: int = 0
    transfers: int = 0
    size: int = 0
    moved: int = 0
    most: int = 0
    orphaned: int = 0

    def __add__(self, other: "KillStats") -> "KillStats":
        return KillStats(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill the process.

    Attributes:
        more: After so many more body bytes; None: see `request`.
        request: At the request with this index among those without an object's body; None: see `more`.
        heard: Whether bytes that it has sent still arrive: the kernel delivers them, unless the machine is gone too.
    """

    more: int | None
    request: int | None
    heard: bool

    @classmethod
    def of(cls, rng: random.Random, most: int, requests: int) -> Self:
        """A random moment: at one of the first requests, which start and complete uploads, or before `most` bytes."""
        if rng.random() < 0.4:
            return cls(None, rng.randrange(requests), rng.random() < 0.5)
        return cls(rng.randrange(min(256 * KiB, most // 2), most), None, rng.random() < 0.5)


class Killer:
    """Count the body bytes that a proxy forwards, and kill the process at a moment. Also the proxy's `fault`.

    Args:
        payload: The files of the transfer.

    Attributes:
        moved: Body bytes that were forwarded.
        bodies: Number of requests with a body.
        repeated: Those of `moved` for files that were finished at the last kill.
        orphans: Uploads that the service has started and that no process knows.
        wrong: Violations that were seen.
    """

    def __init__(self, payload: Payload) -> None:
        self.moved = 0
        self.bodies = 0
        self.repeated = 0
        self.orphans = 0
        self.wrong: list[Violation] = []
        self._payload = payload
        self._moment: Moment | None = None
        self._finished: AbstractSet[str] = frozenset()
        self._requests = 0
        self._begun = 0
        self._unrecorded: set[str] = set()  # paths of uploads that were started, before their first part
        self._victim: subprocess.Popen[bytes] | None = None
        self._dead = False
        self._lock = threading.Lock()

    def watch(self, victim: subprocess.Popen[bytes], moment: Moment | None, finished: AbstractSet[str]) -> None:
        """Kill a process at a moment; None: let it finish. `finished` are the files of earlier runs."""
        with self._lock:
            self._victim, self._moment, self._dead, self._finished = victim, moment, False, finished
            self._requests, self._begun = 0, self.moved
            self._unrecorded.clear()

    def on_bytes(self, request: Request, count: int) -> None:
        if not self._carries(request):
            return
        with self._lock:
            moment = self._moment
            if self._dead and moment is not None and not moment.heard:
                raise ConnectionDone
            self.moved += count
            self.repeated += count if self._payload.path_of(request) in self._finished else 0
            if moment is not None and moment.more is not None and self.moved >= self._begun + moment.more:
                self._kill()

    def __call__(self, exchange: Exchange) -> bool:
        self._check_visible()
        carries = self._carries(exchange.request)
        with self._lock:
            moment = self._moment
            if self._dead and moment is not None and not moment.heard:
                raise ConnectionDone
            self.bodies += carries
            struck = moment is not None and not carries and self._requests == moment.request
            self._requests += not carries
            if not struck or (moment is not None and moment.heard):
                self._track_uploads(exchange.request)
        if not struck or moment is None:
            return False
        if moment.heard:
            exchange.forward()
        with self._lock:
            self._kill()
        raise ConnectionDone

    def _check_visible(self) -> None:
        """Check the local files at a random moment."""
        if self._payload.direction == "download":
            try:
                self._payload.finished()
            except Violation as violation:
                self.wrong.append(violation)

    def _track_uploads(self, request: Request) -> None:
        """A process that sends a part has recorded the name of its upload."""
        path = request.target.partition("?")[0]
        if request.method != "DELETE" and self._payload.storage.orphans(request):
            self._unrecorded.add(path)
            self.orphans += self._dead  # in flight when the process was killed
        else:
            self._unrecorded.discard(path)

    def _carries(self, request: Request) -> bool:
        payload = self._payload
        return payload.storage.carries(request) if payload.direction == "download" else request.length >= 16 * KiB

    def _kill(self) -> None:
        if not self._dead and self._victim is not None:
            self._victim.send_signal(signal.SIGKILL)
            self._victim.wait()
            self._dead = True
            self.orphans += len(self._unrecorded)


def killed(
    storage: StorageServer,
    direction: Direction,
    seed: int,
    work: Path,
    *,
    kills: int,
    shape: Shape = "object",
    requests: int = 3,
    first: Moment | None = None,
    replaced: bool = False,
) -> KillStats:
    """Kill a transfer `kills` times, and let it finish.

    A transfer that ends before its moment does not count: another one starts, and is killed at other moments.

    Args:
        storage: The remote side.
        direction: Download or upload.
        seed: Chooses the moments, as numbers of forwarded bytes or of requests.
        work: An empty directory.
        kills: How often to kill.
        shape: The files of the transfer.
        requests: Kill at one of so many first requests. With 1, which always exists, all kills hit a single transfer.
        first: The first moment; None: random.
        replaced: Replace the source after the first kill by another one of the same length.

    Raises:
        Violation: Wrong bytes, an incomplete file, more bytes than the kills explain, or leftovers.
    """
    rng = random.Random(f"{storage.name}-{direction}-{shape}-{seed}")
    stats = KillStats()
    while stats.kills < kills:
        payload = Payload(storage, direction, shape, rng, work / str(stats.transfers))
        # Stored bytes were forwarded: early enough that the last of these moments comes before the end.
        most = payload.size // (kills - stats.kills + 1) - PIECE
        moments = [Moment.of(rng, most, requests) for _ in range(kills - stats.kills)]
        if replaced:  # in the middle, so that there are parts to discard
            first = Moment(rng.randrange(payload.size // 4, 3 * payload.size // 4), None, rng.random() < 0.5)
        if first is not None:
            moments[0], first = first, None
        try:
            stats += _killed(payload, moments, replaced=replaced)
        except Violation as violation:
            raise Violation(f"{storage.name} {direction} {shape} {seed}: {violation}") from violation
    return stats


def _killed(payload: Payload, moments: list[Moment], *, replaced: bool) -> KillStats:
    """One transfer, killed at each of these moments that comes before its end."""
    before, kills, again, begun = payload.storage.unfinished_uploads(), 0, 0, 0
    finished: AbstractSet[str] = frozenset()
    killer = Killer(payload)
    with payload.storage.proxied(killer, on_bytes=killer.on_bytes) as proxied:
        for moment in (*moments, None):
            if not _dies(payload, proxied.endpoints, killer, moment, finished):
                break
            for proxy in proxied.proxies:
                proxy.wait_closed()  # what it forwards to the killed process counts for this kill
            kills += 1
            finished = payload.finished()
            payload.check_left()
            whole = sum(len(payload.files[path]) for path in finished) if payload.direction == "upload" else 0
            # Finished objects are sent again, but no more bytes can be wasted than were moved.
            again = min(killer.moved, again + min(killer.moved - begun, payload.cost) + whole)
            begun = killer.moved
            if replaced and kills == 1:
                again, finished = killer.moved, frozenset()
                payload.renew()
    if failure := next((failure for proxy in proxied.proxies for failure in proxy.failures), None):
        raise failure
    for violation in killer.wrong:
        raise violation
    payload.check_whole()
    if payload.direction == "download" and killer.repeated > kills * UNJOURNALED + killer.bodies * _HEADS:
        raise Violation(f"{killer.repeated} bytes of finished files were downloaded again after {kills} kills")
    most = payload.size + again + killer.bodies * _HEADS
    if killer.moved > most:
        raise Violation(f"{killer.moved} bytes moved; {kills} kills allow {most}")
    return KillStats(kills, 1, payload.size, killer.moved, most, _cleaned(payload.storage, before, killer.orphans))


def _dies(
    payload: Payload, endpoints: Endpoints, killer: Killer, moment: Moment | None, finished: AbstractSet[str]
) -> bool:
    """Run the process; whether it was killed before its end."""
    victim = _victim(payload, endpoints)
    try:
        killer.watch(victim, moment, finished)
        _, stderr = victim.communicate(timeout=_PATIENCE)
    finally:
        victim.kill()
        victim.wait()
    if victim.returncode not in {0, -signal.SIGKILL}:
        raise Violation(f"the process failed: {stderr.decode()[-2000:]}")
    return victim.returncode != 0


def _cleaned(storage: StorageServer, before: set[str], orphans: int) -> int:
    """Remove uploads that no process knows, as the service's lifecycle rule does; returns their number."""
    left = storage.unfinished_uploads() - before
    if len(left) > orphans:
        raise Violation(f"unfinished uploads left behind: {left}")
    if left:
        storage.clean_up()
        if still := storage.unfinished_uploads():
            raise Violation(f"unfinished uploads left behind after the clean-up: {still}")
    return len(left)


def _victim(payload: Payload, endpoints: Endpoints) -> subprocess.Popen[bytes]:
    arguments = (payload.direction, *payload.ends(endpoints), str(payload.part), str(IN_FLIGHT))
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HOME": str(payload.work),
        "XDG_STATE_HOME": str(payload.work / "state"),
        **payload.storage.environ(endpoints),
    }
    command = [sys.executable, "-m", "tests.faults.victim", *arguments]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
