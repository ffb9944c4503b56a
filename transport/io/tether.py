"""A word in shared memory that the kernel itself marks when its holder dies.

A dying process is announced (pidfd, SIGCHLD, closed sockets) only when its memory has been given
back, which takes 25 to 100 ms for 70 MB on a busy virtual machine (measured). The robust futexes
of its threads the kernel marks before that: 0.3 ms (measured in the same minute). So a process
holds a robust mutex (pthread_mutexattr_setrobust(3)) in its pulse, and who looks at the pulse
twice a millisecond sees at once that nobody holds it any more.

The mutex is the C library's, and where in it the kernel's word is, only glibc tells: its first.
With another library nothing is held, and deaths are seen when they are announced.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

BYTES: Final = 64  # pthread_mutex_t has 40 to 48, by processor
_PROCESS_SHARED, _ROBUST = 1, 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
#: The C library keeps a thread's robust mutexes in a list that runs through them: to hold one more
#: is to write into the one before. So their memory stays, whoever else has let go of it.
_held: Final[list[object]] = []


def hold(memory: memoryview) -> bool:
    """Hold a tether for the rest of the calling thread's life; False where that cannot be done.

    Parameters
    ----------
    memory : `BYTES` of shared memory, writable, aligned to 8; it stays mapped until the end
    """
    if not _has_glibc():
        return False
    mutex = (ctypes.c_char * BYTES).from_buffer(memory)
    attributes = (ctypes.c_char * BYTES)()
    calls = (
        (_LIBC.pthread_mutexattr_init, attributes),
        (_LIBC.pthread_mutexattr_setpshared, attributes, _PROCESS_SHARED),
        (_LIBC.pthread_mutexattr_setrobust, attributes, _ROBUST),
        (_LIBC.pthread_mutex_init, mutex, attributes),
        (_LIBC.pthread_mutex_lock, mutex),
    )
    _held.append(mutex)
    return all(call(*arguments) == 0 for call, *arguments in calls)


def _has_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):
        return False
