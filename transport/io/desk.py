"""Has a question of another process of this machine answered: a socket that only we can open.

One line of JSON each way, `{"ask": ...}` there, `{"answer": ...}` or `{"refused": why}` back, then
it is over. Who may open the socket, this user or root, has been let in already.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

#: A browser's offer has 3 to 9 kB.
QUESTION_BYTES_MAX: Final = 64 * 1024
PATIENCE_S: Final = 10.0
ASKING_MAX: Final = 32
_CREDENTIALS = struct.Struct("3i")


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked; what it means is between the two."""

    ask: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes back, or why nothing does."""

    answer: str = ""
    refused: str = ""


class Refused(Exception):
    """A question that is not answered; the text is for a person."""


class Desk:
    """The side that answers.

    Parameters
    ----------
    path : of the socket, 0600
    answer : makes an answer of a question; Refused says why not
    on_refused : told of each that got nothing
    """

    def __init__(
        self,
        path: Path,
        answer: Callable[[str], Awaitable[str]],
        on_refused: Callable[[], object],
    ) -> None:
        self._path = path
        self._answer = answer
        self._on_refused = on_refused
        self._server: asyncio.Server | None = None
        self._asking = 0

    async def open(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(self._path))
        self._path.chmod(0o600)
        self._server = await asyncio.start_unix_server(
            self._asked, sock=listening, limit=QUESTION_BYTES_MAX
        )

    def close(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._asking += 1
        try:
            if self._asking > ASKING_MAX or not _is_ours(writer):
                raise Refused("too many ask at once" if _is_ours(writer) else "another user")
            async with asyncio.timeout(PATIENCE_S):
                answer = Answer(answer=await self._answer(await _question(reader)))
        except Refused as refused:
            self._on_refused()
            answer = Answer(refused=str(refused))
        except TimeoutError:
            self._on_refused()
            answer = Answer(refused=f"it took longer than {PATIENCE_S:.0f} s")
        finally:
            self._asking -= 1
        try:
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
        except OSError:
            pass  # who asked has gone
        writer.close()


async def ask(path: Path, question: str) -> str:
    """Have a question answered by the process that listens at `path`.

    Raises
    ------
    Refused : nobody is there, or it refuses
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=QUESTION_BYTES_MAX)
            writer.write(msgspec.json.encode(Question(question)) + b"\n")
            line = await reader.readline()
            writer.close()
        answer = msgspec.json.decode(line, type=Answer)
    except (OSError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
        raise Refused(f"nobody answers at {path}: {error!r}") from error
    if answer.refused:
        raise Refused(answer.refused)
    return answer.answer


async def _question(reader: asyncio.StreamReader) -> str:
    try:
        line = await reader.readline()
        return msgspec.json.decode(line, type=Question).ask
    except (ValueError, msgspec.MsgspecError) as error:
        raise Refused(f"not a question: {error}") from None


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the other side is this user, or root."""
    raw = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
    )
    return _CREDENTIALS.unpack(raw)[1] in (os.getuid(), 0)
