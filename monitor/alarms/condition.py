"""What can be wrong with a patient, or with what is known of one: the table of alert conditions.

Names are those of IEEE 11073 SDC (alert condition, kind Phy or Tec, priority, latching), so that an
SDC or FHIR DeviceAlert bridge is one to one; priorities are those of IEC 60601-1-8. A row is all it
takes to add a condition that a rule then judges.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.messages import Metric


class Kind(StrEnum):
    """Whose fault it is: the patient's body, or our view of it."""

    PHY = "Phy"
    TEC = "Tec"


class Priority(IntEnum):
    """How soon somebody must come (IEC 60601-1-8), highest last."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Condition(IntEnum):
    """An alert condition; its number is its column in `Evidence`."""

    ASYSTOLE = 0
    VF = 1
    VT = 2
    EXTREME_TACHY = 3
    EXTREME_BRADY = 4
    APNOEA = 5
    DESATURATION = 6
    HR_HIGH = 7
    HR_LOW = 8
    PR_HIGH = 9
    PR_LOW = 10
    SPO2_LOW = 11
    SYS_HIGH = 12
    SYS_LOW = 13
    DIA_HIGH = 14
    DIA_LOW = 15
    MEAN_HIGH = 16
    MEAN_LOW = 17
    RR_HIGH = 18
    RR_LOW = 19
    TEMP_HIGH = 20
    TEMP_LOW = 21
    AF = 22
    ECG_OFF = 23
    ECG_SUSPENDED = 24
    SPO2_OFF = 25
    ABP_OFF = 26
    RESP_OFF = 27
    FEED_SILENT = 28
    ROBOT_STOPPED = 29


class Row(NamedTuple):
    """One condition.

    Parameters
    ----------
    kind, priority : see there
    latching : stays, once it was, until somebody acknowledged it
    words : as a screen says it
    metric : whose limit it is, None when it is a rhythm or technical
    is_upper : of a limit: crossed from below
    limit : default, in the metric's unit; nan when it is none
    delay_s : alarm condition delay (IEC 60601-1-8): it must hold for so long first
    code : MDC event code of ISO/IEEE 11073-10101 ("partition:code"), "" when none is known
    """

    kind: Kind
    priority: Priority
    latching: bool
    words: str
    metric: Metric | None = None
    is_upper: bool = False
    limit: float = float("nan")
    delay_s: float = 0.0
    code: str = ""


_PHY, _TEC = Kind.PHY, Kind.TEC
_HI, _ME, _LO = Priority.HIGH, Priority.MEDIUM, Priority.LOW
C, M = Condition, Metric

# fmt: off
CONDITIONS: Final[dict[Condition, Row]] = {
    #                kind prio latching words                      metric  upper  limit  delay
    C.ASYSTOLE:       Row(_PHY, _HI, True,  "Asystole",            code="3:3076"),
    C.VF:             Row(_PHY, _HI, True,  "Ventricular fibrillation", code="3:3266"),
    C.VT:             Row(_PHY, _HI, True,  "Ventricular tachycardia", code="3:3266"),
    C.EXTREME_TACHY:  Row(_PHY, _HI, True,  "Extreme tachycardia", code="3:3262"),
    C.EXTREME_BRADY:  Row(_PHY, _HI, True,  "Extreme bradycardia", code="3:3084"),
    C.APNOEA:         Row(_PHY, _HI, True,  "Apnoea",              code="3:3072"),
    C.DESATURATION:   Row(_PHY, _HI, False, "Desaturation",   M.SPO2, False,  80.0, 10.0, "3:3246"),
    C.HR_HIGH:        Row(_PHY, _ME, False, "Heart rate high",     M.HR,   True,  120.0),
    C.HR_LOW:         Row(_PHY, _ME, False, "Heart rate low",      M.HR,   False,  50.0),
    C.PR_HIGH:        Row(_PHY, _ME, False, "Pulse rate high",     M.PR,   True,  120.0),
    C.PR_LOW:         Row(_PHY, _ME, False, "Pulse rate low",      M.PR,   False,  50.0),
    C.SPO2_LOW:       Row(_PHY, _ME, False, "SpO2 low",            M.SPO2, False,  90.0, 10.0),
    C.SYS_HIGH:       Row(_PHY, _ME, False, "Systolic pressure high", M.SYS,  True,  160.0),
    C.SYS_LOW:        Row(_PHY, _ME, False, "Systolic pressure low", M.SYS,  False,  90.0),
    C.DIA_HIGH:       Row(_PHY, _ME, False, "Diastolic pressure high", M.DIA,  True,  100.0),
    C.DIA_LOW:        Row(_PHY, _ME, False, "Diastolic pressure low", M.DIA,  False,  40.0),
    C.MEAN_HIGH:      Row(_PHY, _ME, False, "Mean pressure high",  M.MEAN, True,  110.0),
    C.MEAN_LOW:       Row(_PHY, _ME, False, "Mean pressure low",   M.MEAN, False,  60.0),
    C.RR_HIGH:        Row(_PHY, _ME, False, "Respiration rate high", M.RR,   True,   30.0),
    C.RR_LOW:         Row(_PHY, _ME, False, "Respiration rate low", M.RR,   False,   8.0),
    C.TEMP_HIGH:      Row(_PHY, _LO, False, "Temperature high",    M.TEMP, True,   39.0),
    C.TEMP_LOW:       Row(_PHY, _LO, False, "Temperature low",     M.TEMP, False,  35.0),
    C.AF:             Row(_PHY, _LO, False, "Atrial fibrillation", code="3:3128"),
    C.ECG_OFF:        Row(_TEC, _ME, False, "ECG leads off", delay_s=2.0),
    C.ECG_SUSPENDED:  Row(_TEC, _LO, False, "ECG too noisy: rhythm not judged"),
    C.SPO2_OFF:       Row(_TEC, _LO, False, "SpO2 probe off", delay_s=2.0),
    C.ABP_OFF:        Row(_TEC, _LO, False, "Arterial line flat or open", delay_s=2.0),
    C.RESP_OFF:       Row(_TEC, _LO, False, "No respiration signal", delay_s=2.0),
    C.FEED_SILENT:    Row(_TEC, _ME, False, "A device sends no more"),
    C.ROBOT_STOPPED:  Row(_TEC, _HI, False, "The robot at this bed has stopped"),
}
# fmt: on


class Evidence(NamedTuple):
    """What holds of every patient as of the last tick: rules write it, alerts read it.

    Parameters
    ----------
    holds : (patients, conditions) bool, judged to hold now, its delay over
    onset_ns : (patients, conditions) int64, our time at which it began in the signal
    value : (patients, conditions) float32, the number that decided, NaN where there is none
    """

    holds: NDArray[np.bool_]
    onset_ns: NDArray[np.int64]
    value: NDArray[np.float32]

    @classmethod
    def of(cls, patients: int) -> Evidence:
        """Make evidence of which nothing holds."""
        shape = patients, len(Condition)
        return cls(
            np.zeros(shape, np.bool_),
            np.zeros(shape, np.int64),
            np.full(shape, np.nan, np.float32),
        )
