"""A transfer in a process of its own that is killed again and again, and in the end is done."""

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

from .cargo import IN_FLIGHT, UNTOLD, Cargo, Shape
from .case import Violation
from .harm import Direction
from .messages import Asked
from .place import Doors, Place
from .proxy import PIECE, Exchange, Over

# Of a request that carries a body and of its reply: their heads.
_HEADS = 2 * KiB
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Story:
    """What it took.

    Attributes:
        kills: How often the program was killed.
        transfers: How many transfers these were.
        size: Bytes of their files.
        moved: Bytes of bodies that passed the proxy.
        most: Bytes that may have.
        dangling: Uploads that had begun when the program could not note it any more, and were there in the end.
    """

    kills: int = 0
    transfers: int = 0
    size: int = 0
    moved: int = 0
    most: int = 0
    dangling: int = 0

    def __add__(self, other: "Story") -> "Story":
        return Story(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Moment:
    """When a program is killed.

    Attributes:
        more: When so many more bytes of bodies have passed; None: see `request`.
        request: At the request of this number among those that carry no body of an object; None: see `more`.
        heard: Whether what it has sent still arrives: the kernel delivers it, unless its machine goes too.
    """

    more: int | None
    request: int | None
    heard: bool

    @classmethod
    def of(cls, dice: random.Random, most: int, requests: int) -> Self:
        """Any: some at one of the first requests, which begin and end a transfer; else below `most` bytes."""
        if dice.random() < 0.4:
            return cls(None, dice.randrange(requests), dice.random() < 0.5)
        return cls(dice.randrange(min(256 * KiB, most // 2), most), None, dice.random() < 0.5)


class Killer:
    """Counts the bytes of bodies that pass a proxy, and kills at a moment; it is the proxy's `fault`, too.

    Args:
        cargo: What passes.

    Attributes:
        moved: Bytes of bodies that have passed, with the heads of what carried them.
        bodies: Requests that carried one.
        anew: Bytes, of those, of files that were finished when the program was last killed.
        unheard: Uploads that the service has begun, and nobody lives to know their names.
        wrong: What it has seen and should not.
    """

    def __init__(self, cargo: Cargo) -> None:
        self.moved = 0
        self.bodies = 0
        self.anew = 0
        self.unheard = 0
        self.wrong: list[Violation] = []
        self._cargo = cargo
        self._moment: Moment | None = None
        self._finished: AbstractSet[str] = frozenset()
        self._requests = 0
        self._begun = 0
        self._untold: set[str] = set()  # paths whose upload has begun, and of which no part has come yet
        self._victim: subprocess.Popen[bytes] | None = None
        self._dead = False
        self._lock = threading.Lock()

    def let(self, victim: subprocess.Popen[bytes], moment: Moment | None, finished: AbstractSet[str]) -> None:
        """Kill this one, which finds some files finished; None: let it live."""
        with self._lock:
            self._victim, self._moment, self._dead, self._finished = victim, moment, False, finished
            self._requests, self._begun = 0, self.moved
            self._untold.clear()

    def passed(self, asked: Asked, count: int) -> None:
        if not self._carries(asked):
            return
        with self._lock:
            moment = self._moment
            if self._dead and moment is not None and not moment.heard:
                raise Over
            self.moved += count
            self.anew += count if self._cargo.path_of(asked) in self._finished else 0
            if moment is not None and moment.more is not None and self.moved >= self._begun + moment.more:
                self._kill()

    def __call__(self, exchange: Exchange) -> bool:
        self._look()
        carries = self._carries(exchange.asked)
        with self._lock:
            moment = self._moment
            if self._dead and moment is not None and not moment.heard:
                raise Over
            self.bodies += carries
            struck = moment is not None and not carries and self._requests == moment.request
            self._requests += not carries
            if not struck or (moment is not None and moment.heard):
                self._note(exchange.asked)
        if not struck or moment is None:
            return False
        if moment.heard:
            exchange.forward()
        with self._lock:
            self._kill()
        raise Over

    def _look(self) -> None:
        """At what is here, at a moment that nobody has chosen."""
        if self._cargo.direction == "download":
            try:
                self._cargo.finished()
            except Violation as violation:
                self.wrong.append(violation)

    def _note(self, asked: Asked) -> None:
        """A program that sends a part has noted how its upload is called."""
        path = asked.target.partition("?")[0]
        if asked.method != "DELETE" and self._cargo.place.unheard(asked):
            self._untold.add(path)
            self.unheard += self._dead  # on its way when the program died
        else:
            self._untold.discard(path)

    def _carries(self, asked: Asked) -> bool:
        cargo = self._cargo
        return cargo.place.carries(asked) if cargo.direction == "download" else asked.length >= 16 * KiB

    def _kill(self) -> None:
        if not self._dead and self._victim is not None:
            self._victim.send_signal(signal.SIGKILL)
            self._victim.wait()
            self._dead = True
            self.unheard += len(self._untold)


def killed(
    place: Place,
    direction: Direction,
    seed: int,
    work: Path,
    *,
    kills: int,
    shape: Shape = "object",
    requests: int = 3,
    first: Moment | None = None,
    replaced: bool = False,
) -> Story:
    """Kill a transfer so often, and let it come to its end.

    One that ends before its moment has come is not counted: another one begins, and is killed at other moments.

    Args:
        place: The other end.
        direction: Seen from this machine.
        seed: Decides on the moments, as numbers of bytes that have passed or of requests.
        work: An empty directory.
        kills: How often.
        shape: Of what is moved.
        requests: It may be killed at so many of its first requests. 1: there is always one, so that the moments of all
            kills come in a single transfer.
        first: The first moment; None: any.
        replaced: Whether the source is another one, of the same length, after the first kill.

    Raises:
        Violation: Wrong bytes, half a file, more bytes moved than the kills can explain, or something that is left.
    """
    dice = random.Random(f"{place.name}-{direction}-{shape}-{seed}")
    story = Story()
    while story.kills < kills:
        cargo = Cargo(place, direction, shape, dice, work / str(story.transfers))
        # What has landed has passed: so early that the last of these moments comes before all has.
        most = cargo.size // (kills - story.kills + 1) - PIECE
        moments = [Moment.of(dice, most, requests) for _ in range(kills - story.kills)]
        if replaced:  # in the middle, so that there is something to be thrown away
            first = Moment(dice.randrange(cargo.size // 4, 3 * cargo.size // 4), None, dice.random() < 0.5)
        if first is not None:
            moments[0], first = first, None
        try:
            story += _killed(cargo, moments, replaced=replaced)
        except Violation as violation:
            raise Violation(f"{place.name} {direction} {shape} {seed}: {violation}") from violation
    return story


def _killed(cargo: Cargo, moments: list[Moment], *, replaced: bool) -> Story:
    """One transfer, killed at each of these moments that comes before its end."""
    before, kills, again, begun = cargo.place.leftovers(), 0, 0, 0
    finished: AbstractSet[str] = frozenset()
    killer = Killer(cargo)
    with cargo.place.behind(killer, passed=killer.passed) as behind:
        for moment in (*moments, None):
            if not _dies(cargo, behind.doors, killer, moment, finished):
                break
            kills += 1
            finished = cargo.finished()
            cargo.check_left()
            whole = sum(len(cargo.files[path]) for path in finished) if cargo.direction == "upload" else 0
            # What is whole there is sent again; but no more has been in vain than has moved.
            again = min(killer.moved, again + min(killer.moved - begun, cargo.cost) + whole)
            begun = killer.moved
            if replaced and kills == 1:
                again, finished = killer.moved, frozenset()
                cargo.renew()
    if trouble := next((trouble for proxy in behind.proxies for trouble in proxy.troubles), None):
        raise trouble
    for violation in killer.wrong:
        raise violation
    cargo.check_whole()
    if cargo.direction == "download" and killer.anew > kills * UNTOLD + killer.bodies * _HEADS:
        raise Violation(f"{killer.anew} bytes of finished files were fetched again after {kills} kills")
    most = cargo.size + again + killer.bodies * _HEADS
    if killer.moved > most:
        raise Violation(f"{killer.moved} bytes moved, at most {most} after {kills} kills")
    return Story(kills, 1, cargo.size, killer.moved, most, _cleaned(cargo.place, before, killer.unheard))


def _dies(cargo: Cargo, doors: Doors, killer: Killer, moment: Moment | None, finished: AbstractSet[str]) -> bool:
    """Let the program run, which finds some files finished; whether it was killed before its end."""
    victim = _victim(cargo, doors)
    try:
        killer.let(victim, moment, finished)
        _, told = victim.communicate(timeout=_PATIENCE)
    finally:
        victim.kill()
        victim.wait()
    if victim.returncode not in {0, -signal.SIGKILL}:
        raise Violation(f"it failed: {told.decode()[-2000:]}")
    return victim.returncode != 0


def _cleaned(place: Place, before: set[str], unheard: int) -> int:
    """Remove uploads that nobody knows of, as the service is told to; how many there were."""
    left = place.leftovers() - before
    if len(left) > unheard:
        raise Violation(f"of unfinished uploads {left} is left")
    if left:
        place.clean_up()
        if still := place.leftovers():
            raise Violation(f"of unfinished uploads {still} is left after the clean-up")
    return len(left)


def _victim(cargo: Cargo, doors: Doors) -> subprocess.Popen[bytes]:
    arguments = (cargo.direction, *cargo.ends(doors), str(cargo.part), str(IN_FLIGHT))
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HOME": str(cargo.work),
        "XDG_STATE_HOME": str(cargo.work / "state"),
        **cargo.place.environ(doors),
    }
    command = [sys.executable, "-m", "tests.faults.victim", *arguments]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
