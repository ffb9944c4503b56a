"""The flows of control and permission, with their rates and budgets.

The budgets of the control path add up to less than the 10 ms within which a hand must see its
instrument move; half of them is the network's.
"""

from __future__ import annotations

from safety import driver, grant, handover, messages
from transport.wire.topic import Topic

LINK = "UDP+AEAD or ZMQ+CURVE"
DRIVER = "AF_UNIX or ZMQ+CURVE"
GUARD = "ZMQ+CURVE, guard"

# fmt: off
TOPICS = (
    #      name       message              source      sink         Hz  budget  carrier
    Topic("command", messages.Command,    "console",  "relayd",    1000,    2.5, LINK),
    Topic("forward", messages.Command,    "relayd",   "robotd",    1000,    2.0, LINK),
    Topic("servo",   driver.Servo,        "robotd",   "driver",    1000,    0.5, DRIVER),
    Topic("measure", driver.Measure,      "driver",   "robotd",     500,    2.0, DRIVER),
    Topic("state",   messages.RobotState, "robotd",   "relayd",     250,    2.0, LINK),
    Topic("echo",    messages.RobotState, "relayd",   "console",    250,    2.5, LINK),
    Topic("observe", messages.RobotState, "relayd",   "observers",  250,   50.0, "ZMQ PUB, ipc"),
    Topic("stop",    driver.Stop,         "robotd",   "driver",       0,    0.5, DRIVER),
    Topic("ceiling", messages.Ceiling,    "guards",   "robotd",       0,   10.0, GUARD),
    Topic("event",   messages.Event,      "robotd",   "sessiond",     0,  500.0, GUARD),
    Topic("request", grant.Request,       "console",  "sessiond",     0, 2000.0, "ZMQ+CURVE"),
    Topic("grant",   grant.Grant,         "sessiond", "robotd",       0, 2000.0, GUARD),
    Topic("revoke",  grant.Revoke,        "sessiond", "robotd",       0,  100.0, GUARD),
    Topic("offer",   handover.Offer,      "console",  "sessiond",     0, 2000.0, "ZMQ+CURVE"),
    Topic("standing",handover.Standing,   "sessiond", "console",      0, 2000.0, "ZMQ+CURVE"),
    Topic("vouch",   handover.Vouch,      "robotd",   "sessiond",     0,  500.0, GUARD),
    Topic("bedside", messages.Bedside,    "bedside",  "robotd",       0,   50.0, "AF_UNIX"),
)
# fmt: on
