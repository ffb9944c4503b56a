"""Has the running node's pages make a one-time link."""

from __future__ import annotations

import asyncio

from teleop.node.errors import NodeError
from teleop.node.sections import NodeConfig
from transport.io.desk import Refused, ask


class LinkError(NodeError):
    """There is no link."""


def link(config: NodeConfig, role: str) -> str:
    """Return a link that lets one browser in, once.

    Raises
    ------
    LinkError : the node has no pages, does not run, or has given too many links
    """
    if not config.web.listen:
        raise LinkError("this node serves no pages: [web] listen in node.toml says where")
    try:
        return asyncio.run(ask(config.run_dir / "web.sock", role))
    except Refused as refused:
        raise LinkError(str(refused)) from refused
