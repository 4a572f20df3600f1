"""A transfer in a process of its own that is killed again and again, and in the end is done."""

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sealift.types import KiB, MiB
from tests.api.helpers import all_in, files_in

from .case import Violation
from .harm import Direction
from .messages import Asked
from .place import Doors, Place
from .proxy import Exchange, Over

# Parts that the program may hold in memory at once: what a kill may cost.
IN_FLIGHT = 2
# Heads, and the small requests that are told from bodies by their size only.
_SLACK = 64 * KiB
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Story:
    """What it took.

    Attributes:
        kills: How often the program was killed.
        size: Bytes of the object.
        moved: Bytes of bodies that passed the proxy.
        most: Bytes that may have.
    """

    kills: int
    size: int
    moved: int
    most: int


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
    def of(cls, dice: random.Random, least: int, most: int) -> Self:
        """Any; some of them at the requests that begin and end a transfer."""
        if dice.random() < 0.4:
            return cls(None, dice.randrange(3), dice.random() < 0.5)
        return cls(dice.randrange(least, most), None, dice.random() < 0.5)


class Killer:
    """Counts the bytes of bodies that pass a proxy, and kills at a moment; it is the proxy's `fault`, too.

    Args:
        place: Behind the proxy.
        direction: Of the transfer.

    Attributes:
        moved: Bytes of bodies that have passed.
        unheard: The service has begun an upload, and nobody lives to know its name.
    """

    def __init__(self, place: Place, direction: Direction) -> None:
        self.moved = 0
        self.unheard = False
        self._place = place
        self._direction = direction
        self._moment: Moment | None = None
        self._requests = 0
        self._begun = 0
        self._victim: subprocess.Popen[bytes] | None = None
        self._dead = False
        self._lock = threading.Lock()

    def let(self, victim: subprocess.Popen[bytes], moment: Moment | None) -> None:
        """Kill this one; None: let it live."""
        with self._lock:
            self._victim, self._moment, self._dead = victim, moment, False
            self._requests, self._begun = 0, self.moved

    def passed(self, asked: Asked, count: int) -> None:
        if not self._carries(asked):
            return
        with self._lock:
            moment = self._moment
            if self._dead and moment is not None and not moment.heard:
                raise Over
            self.moved += count
            if moment is not None and moment.more is not None and self.moved >= self._begun + moment.more:
                self._kill()

    def __call__(self, exchange: Exchange) -> bool:
        if self._carries(exchange.asked):
            return False
        with self._lock:
            moment = self._moment
            struck = moment is not None and self._requests == moment.request
            self._requests += 1
        if not struck or moment is None:
            return False
        if moment.heard:
            exchange.forward()
            self.unheard = self.unheard or self._place.unheard(exchange.asked)
        with self._lock:
            self._kill()
        raise Over

    def _carries(self, asked: Asked) -> bool:
        return self._place.carries(asked) if self._direction == "download" else asked.length >= 16 * KiB

    def _kill(self) -> None:
        if not self._dead and self._victim is not None:
            self._victim.send_signal(signal.SIGKILL)
            self._victim.wait()
            self._dead = True


def killed(place: Place, direction: Direction, seed: int, work: Path, *, kills: int, replaced: bool = False) -> Story:
    """Kill a transfer so often, and let it come to its end.

    Args:
        place: The other end.
        direction: Seen from this machine.
        seed: Decides on the moments, as numbers of bytes that have passed.
        work: An empty directory.
        kills: At most; a program that was done first is not killed any more.
        replaced: Whether the source is another one, of the same length, after the first kill.

    Raises:
        Violation: Wrong bytes, more bytes moved than the kills can explain, or something that is left.
    """
    dice = random.Random(f"{place.name}-{direction}-{seed}")
    part = max(place.part, 256 * KiB) if direction == "upload" else 256 * KiB
    size = (40 if part < MiB else 8) * part + 17
    prefix = f"k{next(place.numbers)}"
    here = work / "here"
    here.mkdir(parents=True)
    before = place.leftovers()

    def source() -> bytes:
        data = dice.randbytes(size)
        if direction == "download":
            place.put(prefix, {"large.bin": data})
        else:
            (here / "large.bin").write_bytes(data)
        return data

    data, wasted, done = source(), 0, 0
    killer = Killer(place, direction)
    with place.behind(killer, passed=killer.passed) as behind:
        uri, path = f"{place.uri(behind.doors, prefix)}/large.bin", str(here / "large.bin")
        ends = (uri, path) if direction == "download" else (path, uri)
        for number in range(kills + 1):
            victim = _victim(place, behind.doors, work, direction, *ends, str(part), str(IN_FLIGHT))
            try:
                moment = Moment.of(dice, part, 2 * size // (kills + 1))
                if replaced:  # in the middle, so that there is something to be thrown away
                    moment = Moment(dice.randrange(size // 4, 3 * size // 4), None, moment.heard)
                killer.let(victim, moment if number < kills else None)
                _, told = victim.communicate(timeout=_PATIENCE)
            finally:
                victim.kill()
                victim.wait()
            if victim.returncode == 0:
                break
            if victim.returncode != -signal.SIGKILL:
                raise Violation(f"{place.name} {direction} {seed}: it failed: {told.decode()[-2000:]}")
            if direction == "download" and (here / "large.bin").exists():
                raise Violation(f"{place.name} {direction} {seed}: half a file has its final name")
            done += 1
            if direction == "upload" and _stored(place, prefix) == {"large.bin": data}:
                wasted = killer.moved  # it was published, and the program never heard of it
            if replaced and done == 1:
                data, wasted = source(), killer.moved
    most = wasted + size + done * IN_FLIGHT * part + _SLACK
    _judge(place, direction, prefix, here, data)
    if (left := place.leftovers() - before) and not killer.unheard:
        raise Violation(f"{place.name} {direction} {seed}: of unfinished uploads {left} is left")
    if killer.moved > most:
        raise Violation(
            f"{place.name} {direction} {seed}: {killer.moved} bytes moved, at most {most} after {done} kills"
        )
    return Story(done, size, killer.moved, most)


def _stored(place: Place, prefix: str) -> dict[str, bytes]:
    return place.content(prefix) if place.content is not None else {}


def _judge(place: Place, direction: Direction, prefix: str, here: Path, data: bytes) -> None:
    found = files_in(here) if direction == "download" else _stored(place, prefix)
    if found != {"large.bin": data}:
        raise Violation(f"{place.name} {direction}: there are { ({name: len(each) for name, each in found.items()}) }")
    if all_in(here) != {"large.bin"}:
        raise Violation(f"{place.name} {direction}: {all_in(here)} is left")
    if state := files_in(here.parent / "state"):
        raise Violation(f"{place.name} {direction}: {set(state)} is left of the state")


def _victim(place: Place, doors: Doors, work: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HOME": str(work),
        "XDG_STATE_HOME": str(work / "state"),
        **place.environ(doors),
    }
    command = [sys.executable, "-m", "tests.faults.victim", *arguments]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
