"""Vital signs in a terminal: the newest number, or why there is none."""

import io

from rich.console import Console

from monitor.alarms.messages import Alive
from monitor.messages import Metric, Numeric, Reason
from teleop.node.vitals import Chart, in_facts
from transport.wire.codec import encode

S = 1_000_000_000


def numeric(metric: Metric, value: float | None, bed: str = "icu/7") -> Numeric:
    return Numeric(66, bed, 1, metric, value, 90, 0 if value else Reason.LEAD_OFF, 60_000)


def chart(*numbers: Numeric) -> Chart:
    made = Chart(0)
    for number in numbers:
        made.receive(encode(number), S)
    return made


def drawn(made: Chart, now_ns: int) -> str:
    out = io.StringIO()
    Console(file=out, width=60, color_system=None).print(made.on_screen(now_ns))
    return out.getvalue()


def test_a_bed_s_numbers_fit_into_a_line_of_sixty_columns():
    whole = (
        (Metric.HR, 72.4),
        (Metric.SPO2, 97.0),
        (Metric.SYS, 180.0),
        (Metric.DIA, 102.2),
        (Metric.MEAN, 133.0),
        (Metric.RR, 14.0),
        (Metric.TEMP, 36.84),
    )
    made = chart(*(numeric(*each, bed="icu/07") for each in whole))
    *_, line = drawn(made, S).splitlines()
    assert line.split() == ["icu/07", "72", "–", "97", "180/102", "(133)", "14", "36.8"]
    assert len(line) <= 60


def test_without_a_pleth_the_artery_s_pulse_is_shown():
    made = chart(numeric(Metric.PR, None), numeric(Metric.PR_ART, 71.0))
    assert "71" in drawn(made, S)


def test_a_number_that_nobody_says_any_more_is_gone():
    made = chart(numeric(Metric.HR, 72.0))
    made.receive(encode(Alive(71, "vitals", 1, 1, 0, "")), 60 * S)
    assert "72" not in drawn(made, 60 * S)


def test_a_monitor_that_is_silent_is_said():
    made = chart(numeric(Metric.HR, 72.0))
    assert "SILENT" not in drawn(made, S + S // 2)
    assert "SILENT" in drawn(made, 2 * S)


def test_what_is_no_number_is_passed_over():
    made = chart()
    made.receive(b"nonsense", S)
    assert made.beds == []


def test_programs_get_the_reason():
    assert in_facts(numeric(Metric.HR, None)) == {
        "bed": "icu/7",
        "metric": "hr",
        "value": None,
        "quality": 90,
        "reason": "lead_off",
        "age_s": 0.06,
    }
