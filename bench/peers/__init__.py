"""What Trocar's relay is measured against, one file a peer.

Each file holds both halves of one peer: the relay process (`python -m bench.peers.<name> <json>`)
and the link module that the console and the robot use in place of `transport.io.links.*`
(`connect(settings, attach, runtime, on_ready)`). So console, robot, gate, driver and bytes are the
same for every variant, and a ratio speaks of what lies between them.

Rules, for every peer alike:

- It starts through `transport.io.process.main`, so it gets the same real-time rights in the same
  order as Trocar's own relay.
- It gets the settings that its own project advises for low latency at this size and rate; each
  file says which, and where they are said.
- It knows nothing of attaching, clocks or ages: it carries bytes.
"""
