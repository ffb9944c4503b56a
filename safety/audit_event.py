"""Says a record of the audit as FHIR R4's AuditEvent, for repositories that hospitals have.

HL7 FHIR R4 (4.0.1), resource AuditEvent; the kinds are DICOM PS3.16's, as IHE ATNA uses them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from safety.audit import ACTS, Outcome, Record

DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
ACT: Final = "urn:trocar:audit:act"
DEVICE: Final = "urn:trocar:device"
HASH: Final = "urn:trocar:audit:hash"
#: FHIR's value set `audit-event-outcome`.
OUTCOME: Final = {Outcome.DONE: "0", Outcome.REFUSED: "4", Outcome.FAILED: "8"}


def audit_event(record: Record, node: str) -> dict[str, Any]:
    """Return the resource, ready to be encoded.

    Parameters
    ----------
    node : who kept the record
    """
    kind = ACTS[record.act]
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"{node}-{record.n}".replace("_", "-"),
        "type": {"system": DICOM, "code": kind.code, "display": kind.display},
        "subtype": [{"system": ACT, "code": record.act, "display": kind.words}],
        "action": kind.action,
        "recorded": when(record.t),
        "outcome": OUTCOME[record.outcome],
        "agent": [{"who": _device(record.actor), "requestor": True}],
        "source": {"observer": _device(node)},
        "entity": [
            {
                "what": _device(record.target),
                "detail": [{"type": HASH, "valueString": record.hash}],
            }
        ],
    }
    if record.detail:
        event["outcomeDesc"] = record.detail
    return event


def when(t_utc_ns: int) -> str:
    """Write a wall-clock time as ISO 8601 with milliseconds, in UTC."""
    at = datetime.fromtimestamp(t_utc_ns // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{t_utc_ns // 1_000_000 % 1000:03}Z"


def _device(name: str) -> dict[str, Any]:
    return {
        "identifier": {"system": DEVICE, "value": name or "nobody"},
        "display": name or "nobody",
    }
