"""Makes the UDP sockets of the control path: never blocking, marked for the network's fast lane.

A UDP buffer keeps the oldest datagrams when it is full, so it is large, and its reader drains it
to the newest in one pass.
"""

from __future__ import annotations

import fcntl
import socket
import termios
from array import array

DATAGRAM_BYTES_MAX = 4352  # a message of 4096 bytes, its hops and the box around both
PASS_MAX = 256  # datagrams read before others have their turn; a flood cannot starve them
_BUFFER_BYTES = 1 << 19
_TOS_EF = 0xB8  # DSCP expedited forwarding


_SIZE = array("i", [0])


def is_waiting(fd: int) -> bool:
    """Tell whether another message waits: cheaper than a read that ends in an exception.

    An empty one, or the end, looks like none; the loop calls again for it: nothing stays behind.
    """
    fcntl.ioctl(fd, termios.FIONREAD, _SIZE, True)
    return _SIZE[0] > 0


def resolve(host: str) -> str:
    """Return the address of `host`. It may ask the network: at the start, never in the loop.

    Raises
    ------
    OSError : the name is unknown
    """
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])


def udp_socket(address: str) -> socket.socket:
    """Make a socket of the family that `address` needs, neither bound nor connected."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TOS_EF)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _TOS_EF)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    return made
