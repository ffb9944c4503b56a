"""Opens the sockets of WebRTC in a range that a hospital's firewall can be told of.

aioice binds any port, and no firewall rule can be written for that. Here a socket is bound to the
first free port of a range; behind an address translation, candidates bear the address that is
configured as the public one.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, ClassVar, NamedTuple

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol

#: Datagrams that may wait in the kernel: a whole picture that stands alone, and more.
BUFFER_BYTES = 1 << 20


class Ports(NamedTuple):
    """Where to bind.

    Parameters
    ----------
    addresses : local addresses; empty = all of this machine but loopback
    first, last : the range of UDP ports
    public : what others are told instead of the local address; "" = the local one
    """

    addresses: tuple[str, ...] = ()
    first: int = 0
    last: int = 0
    public: str = ""


class NoPort(OSError):
    """Every port of the range is taken."""


class RangedConnection(Connection):
    """ICE whose host candidates are in a range; `ports` is the process's."""

    ports: ClassVar[Ports] = Ports()

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 5,  # noqa: ASYNC109 (aioice has it)
    ) -> list[Candidate]:
        """Bind a socket for each address, then ask a TURN server if there is one."""
        ours = [
            await self._bind(component, address) for address in self.ports.addresses or addresses
        ]
        others = await super().get_component_candidates(component, [], timeout)
        return ours + others

    async def _bind(self, component: int, address: str) -> Candidate:
        loop = asyncio.get_running_loop()
        opened = _opened(address, self.ports)
        _, protocol = await loop.create_datagram_endpoint(lambda: StunProtocol(self), sock=opened)
        host = self.ports.public or address
        candidate = Candidate(
            foundation=candidate_foundation("host", "udp", address),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=host,
            port=opened.getsockname()[1],
            type="host",
        )
        protocol.local_candidate = candidate
        protocols: list[Any] = self._protocols
        protocols.append(protocol)
        return candidate


def _opened(address: str, ports: Ports) -> socket.socket:
    """Bind the first free port of the range.

    Raises
    ------
    NoPort
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    for port in range(ports.first, ports.last + 1):
        try:
            opened.bind((address, port))
        except OSError:
            continue
        return opened
    opened.close()
    raise NoPort(f"every UDP port of {address} from {ports.first} to {ports.last} is taken")
