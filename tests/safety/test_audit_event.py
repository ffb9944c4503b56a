"""A record of the audit as FHIR's AuditEvent: judged by a library that is not ours."""

import json

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from safety.audit import ACTS, Chain, Entry, Outcome, records
from safety.audit_event import audit_event


def record(act="grant", outcome=Outcome.DONE, actor="console-1", detail=""):
    entry = Entry(1_795_602_123_456_789_012, actor, act, "robot", outcome, detail)
    (only,) = records([Chain().append(entry)])
    return only


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_act_is_an_event_that_holds(act, outcome):
    event = AuditEvent.model_validate_json(json.dumps(audit_event(record(act, outcome), "node_1")))
    assert event.subtype[0].code == act
    assert event.agent[0].who.identifier.value == "console-1"
    assert event.entity[0].detail[0].valueString == record(act, outcome).hash


def test_its_time_is_in_utc_to_the_millisecond():
    event = AuditEvent.model_validate(audit_event(record(), "node"))
    assert event.recorded.isoformat() == "2026-11-25T10:22:03.456000+00:00"


def test_details_and_outcomes_are_carried():
    event = audit_event(record("deny", Outcome.REFUSED, detail="the disk is full"), "node")
    assert (event["outcome"], event["outcomeDesc"]) == ("4", "the disk is full")


def test_nobody_is_somebody_too():
    assert AuditEvent.model_validate(audit_event(record(actor=""), "node")).agent[0].requestor
