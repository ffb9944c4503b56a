"""Makes network namespaces that have no name, and enters them: nothing of them can be left behind.

A namespace lives as long as a process is in it or holds its descriptor. These are held by the shell
that made them, and found by others under /proc; when the last of them has ended, however that
happened, the kernel removes namespace, devices and addresses.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import runpy
import socket
import struct
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address

TUN_DEVICE = "/dev/net/tun"
PREFIX = IPv4Address("255.255.255.0")

_CLONE_NEWNET = 0x4000_0000
_TUNSETIFF = 0x4004_54CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_IFF_UP = 0x0001
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
_LIBC = ctypes.CDLL(None, use_errno=True)


class NamespaceFault(Exception):
    """This machine or user cannot have such a network; the message names what is missing."""


def missing() -> str:
    """Say what keeps this process from making a network of its own; "" if nothing does.

    It is tried, in a child that ends at once: rights depend on more than the user's number.
    """
    if not os.path.exists(TUN_DEVICE):
        return f"there is no {TUN_DEVICE}"
    if not os.access(TUN_DEVICE, os.R_OK | os.W_OK):
        return f"this user may not open {TUN_DEVICE}"
    child = os.fork()
    if child == 0:
        os._exit(_try())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return ""
    why = os.strerror(code) if code > 0 else f"signal {-code}"
    user = "" if os.geteuid() == 0 else "this user is not root: "
    return f"{user}a network namespace or a TUN device is not permitted: {why}"


def own() -> int:
    """Return a descriptor of the namespace that this thread is in."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def make(device: str, address: str) -> tuple[int, int]:
    """Make a namespace with loopback and one TUN device that has `address`, and stay in it.

    Returns
    -------
    namespace, tun : descriptors; the device carries plain IP packets

    Raises
    ------
    NamespaceFault
    """
    _check(_LIBC.unshare(_CLONE_NEWNET), "a new network namespace")
    try:
        tun = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        name = device.encode()
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name, _IFF_TUN | _IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for request, value in ((_SIOCSIFADDR, IPv4Address(address)), (_SIOCSIFNETMASK, PREFIX)):
                entry = struct.pack("16sHH4s16x", name, socket.AF_INET, 0, value.packed)
                fcntl.ioctl(control, request, entry)
            for each in (b"lo", name):
                _bring_up(control, each)
    except OSError as error:
        raise NamespaceFault(f"a TUN device: {error.strerror}") from error
    return own(), tun


def enter(namespace: int) -> None:
    """Move this thread into a namespace.

    Raises
    ------
    NamespaceFault
    """
    _check(_LIBC.setns(namespace, _CLONE_NEWNET), "entering a network namespace")


def run_inside(path: str, arguments: Sequence[str]) -> None:
    """Enter the namespace at `path`, then be the module that `arguments` begin with."""
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    enter(namespace)
    os.close(namespace)
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _bring_up(control: socket.socket, device: bytes) -> None:
    entry = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", device, 0))
    (flags,) = struct.unpack_from("H", entry, 16)
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", device, flags | _IFF_UP))


def _try() -> int:
    try:
        make("trocar", "10.77.0.1")
    except NamespaceFault as fault:
        cause = fault.__cause__
        return (cause.errno if isinstance(cause, OSError) else None) or errno.EPERM
    return 0


def _check(result: int, what: str) -> None:
    if result != 0:
        error = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        raise NamespaceFault(f"{what}: {error.strerror}") from error


if __name__ == "__main__":
    run_inside(sys.argv[1], sys.argv[2:])
