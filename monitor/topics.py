"""The flows of vital signs, with their rates and budgets.

A true alarm is to reach its hearer within 500 ms of the sample that decides it; what stands here
leaves most of that to the detectors.
"""

from __future__ import annotations

from monitor import messages
from transport.wire.topic import Topic

DEVICES = "ZMQ+CURVE, or ipc"
PUB = "ZMQ PUB+CURVE, or ipc"

# fmt: off
TOPICS = (
    #      name       message            source      sink           Hz  budget  carrier
    Topic("samples",  messages.Samples,  "device",   "monitord",    25,  100.0, DEVICES),
    Topic("reading",  messages.Reading,  "device",   "monitord",     0, 1000.0, DEVICES),
    Topic("vital",    messages.Numeric,  "monitord", "icu",          1,  100.0, PUB),
    Topic("beat",     messages.Beat,     "monitord", "icu",          0,  100.0, PUB),
)
# fmt: on
