"""A network link with a delay and a limited rate, between two network namespaces of this process.

`python -I -S link.py DELAY_S BYTES_PER_S` creates both namespaces, each with one TUN device, and forwards packets
between them until its standard input ends. It writes the file descriptors of the namespaces, of the client and of the
server, to its standard output. The devices of the machine are not touched. Needs root and `ip`.

Packets keep their segmentation offload, so that a packet of up to 64 KiB crosses at once, but TCP counts segments of
1,460 bytes, as on a real network.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque

CLIENT, SERVER = "10.99.0.1", "10.99.0.2"
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_TUN, _NO_INFO, _OFFLOAD_HEADER = 0x0001, 0x1000, 0x4000  # IFF_TUN, IFF_NO_PI, IFF_VNET_HDR
_SET_DEVICE, _SET_OFFLOAD, _SET_HEADER = 0x400454CA, 0x400454D0, 0x400454D8  # TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ
_CHECKSUMS_AND_TCP4 = 0x01 | 0x02  # TUN_F_CSUM, TUN_F_TSO4
_HEADER = 10
_LARGEST = 1 << 16
_AT_ONCE = 32  # packets that one direction reads before the other has its turn
_QUEUED = 256 << 20  # bytes that wait for the link before packets are dropped


class Direction:
    """Packets from one device to the other."""

    def __init__(self, source: int, sink: int, delay: float, rate: float) -> None:
        self.source, self._sink, self._delay, self._rate = source, sink, delay, rate
        self._free_at = 0.0
        self._packets: deque[tuple[float, bytes]] = deque()
        self._queued = 0

    def receive(self, now: float) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self.source, _LARGEST + _HEADER)
            except BlockingIOError:
                return
            if self._queued < _QUEUED:
                self._free_at = max(self._free_at, now) + len(packet) / self._rate
                self._packets.append((self._free_at + self._delay, packet))
                self._queued += len(packet)

    def send(self, now: float) -> float | None:
        """Send what is due; return when the next packet is."""
        while self._packets and self._packets[0][0] <= now:
            packet = self._packets.popleft()[1]
            self._queued -= len(packet)
            os.write(self._sink, packet)
        return self._packets[0][0] if self._packets else None


def device(address: str, peer: str) -> int:
    """Enter a new network namespace, with a TUN device."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "cannot create a network namespace")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _SET_DEVICE, struct.pack("16sH22x", b"link", _TUN | _NO_INFO | _OFFLOAD_HEADER))
    fcntl.ioctl(tun, _SET_HEADER, struct.pack("i", _HEADER))
    fcntl.ioctl(tun, _SET_OFFLOAD, _CHECKSUMS_AND_TCP4)
    for command in (
        f"addr add {address} peer {peer} dev link",
        "link set dev link txqueuelen 10000",
        "link set dev link up",
        "link set dev lo up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    return tun


def main() -> None:
    delay, rate = float(sys.argv[1]) / 2, float(sys.argv[2])
    os.nice(-20)  # a link does not wait for a CPU
    client = device(CLIENT, SERVER)
    namespaces = [os.open("/proc/self/ns/net", os.O_RDONLY)]
    server = device(SERVER, CLIENT)
    namespaces.append(os.open("/proc/self/ns/net", os.O_RDONLY))
    print(*namespaces, flush=True)
    directions = [Direction(client, server, delay, rate), Direction(server, client, delay, rate)]
    waiting = select.epoll()
    for descriptor in (0, client, server):
        waiting.register(descriptor, select.EPOLLIN)
    while True:
        now = time.monotonic()
        due = [at for direction in directions if (at := direction.send(now)) is not None]
        ready = waiting.poll(max(0.0, min(due) - now) if due else None)
        now = time.monotonic()
        for descriptor, _ in ready:
            if descriptor == 0:
                return
            for direction in directions:
                if direction.source == descriptor:
                    direction.receive(now)


main()
