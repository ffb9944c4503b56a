"""The flows of vital signs, with their rates and budgets.

A true alarm is to reach its hearer within 500 ms of the sample that decides it; what stands here
leaves most of that to the detectors.
"""

from __future__ import annotations

from monitor import messages
from monitor.alarms import messages as alarms
from monitor.alarms import wishes
from transport.wire.topic import Topic

DEVICES = "ZMQ+CURVE, or ipc"
PUB = "ZMQ PUB+CURVE, or ipc"
IPC = "ZMQ ipc"
DESK = "ZMQ+CURVE, or ipc"

# fmt: off
TOPICS = (
    #      name       message            source      sink           Hz  budget  carrier
    Topic("samples",  messages.Samples,  "device",   "monitord",    25,  100.0, DEVICES),
    Topic("reading",  messages.Reading,  "device",   "monitord",     0, 1000.0, DEVICES),
    Topic("vital",    messages.Numeric,  "monitord", "icu",          1,  100.0, PUB),
    Topic("beat",     messages.Beat,     "monitord", "icu",          0,  100.0, PUB),
    Topic("holding",  alarms.Holding,    "monitord", "alarmd",       2,   50.0, IPC),
    Topic("limit",    wishes.Limit,      "alarmd",   "monitord",     0, 1000.0, IPC),
    Topic("alarm",    alarms.Alert,      "alarmd",   "icu",          0,   50.0, PUB),
    Topic("bed",      alarms.Place,      "alarmd",   "icu",          0,  100.0, PUB),
    Topic("alive",    alarms.Alive,      "alarmd",   "icu",          2,  500.0, PUB),
    Topic("page",     alarms.Page,       "alarmd",   "icu",          0,  500.0, DESK),
    Topic("answer",   wishes.Acknowledge, "icu",     "alarmd",       0,  500.0, DESK),
)
# fmt: on
