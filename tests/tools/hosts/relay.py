"""A cable that delays: ``python relay.py SECONDS NEAR FAR`` passes every frame between two interfaces, SECONDS later.

For kernels without netem. Each direction keeps its frames in order; nothing is dropped here, so a bounded rate and its
queue stay with ``tc``. Frames travel with their offload header: TCP's large segments cross whole, their checksums
still to be filled in, as they would on a cable between two virtual interfaces.
"""

import os
import select
import socket
import sys
import time
from collections import deque
from contextlib import suppress

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
ETH_P_ALL = 3
#: The largest segment that TCP hands down, with all headers.
LARGEST = 1 << 17
#: Room for what waits in the interface's own queue, which decides what is dropped.
BUFFER = 16 << 20


def tap(interface: str) -> socket.socket:
    """A socket that receives what arrives at ``interface`` and sends from it."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    for option in (32, 33):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
        opened.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    opened.bind((interface, 0))
    opened.setblocking(False)
    return opened


def pass_on(delay: float, near: socket.socket, far: socket.socket) -> None:
    """Forward for ever."""
    other = {near: far, far: near}
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()  # the delay is constant: the first is due first
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for source in select.select([near, far], [], [], pause)[0]:
            with suppress(OSError):  # drained, or the interface is down
                while True:
                    frame = source.recv(LARGEST)
                    waiting.append((time.monotonic() + delay, other[source], frame))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, target, frame = waiting.popleft()
            with suppress(OSError):  # the interface is down, or its queue is full: lost, as on any cable
                target.send(frame)


def main() -> None:
    """Say when it is ready, then forward until killed."""
    seconds, near, far = float(sys.argv[1]), sys.argv[2], sys.argv[3]
    with suppress(OSError):  # on a busy machine the delay would be that of the scheduler
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    ends = tap(near), tap(far)
    print("ready", flush=True)
    pass_on(seconds, *ends)


if __name__ == "__main__":
    main()
