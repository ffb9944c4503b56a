"""What the watchdog's process is told: complete, typed, and no more than it can look at."""

import msgspec
import pytest

from safety.settings import WatchdogdSettings
from safety.watchdog import SLOW_LOOKS, Flow, Watched
from transport.io.process import ProcessSettings, SettingsFault, load

FLOW = Flow(topic="state", rate_hz=250, source="p0", sink="p1", sent="", arrived="came")


def told(many=2, **more):
    settings = WatchdogdSettings(
        process=ProcessSettings(name="watchdogd", run_dir="/run/trocar"),
        keys="/etc/trocar/keys",
        identity="warden",
        robots={"psm1": "tcp://127.0.0.1:7"},
        processes=tuple(Watched(name=f"p{n}") for n in range(many)),
        flows=(FLOW,),
    )
    return {**msgspec.to_builtins(settings), **more}


@pytest.fixture
def read(tmp_path):
    def read(settings):
        path = tmp_path / "watchdogd.json"
        path.write_bytes(msgspec.json.encode(settings))
        return load(WatchdogdSettings, [str(path)])

    return read


def test_what_is_written_is_what_is_read(read):
    settings = read(told())
    assert [watched.name for watched in settings.processes] == ["p0", "p1"]
    assert settings.flows == (FLOW,)
    assert settings.robots == {"psm1": "tcp://127.0.0.1:7"}


def test_a_node_without_flows_need_not_say_so(read):
    settings = told()
    del settings["flows"]
    assert read(settings).flows == ()


def test_it_watches_no_more_than_it_looks_at_in_one_round(read):
    assert len(read(told(SLOW_LOOKS - 1)).processes) == SLOW_LOOKS - 1
    with pytest.raises(SettingsFault, match=r"processes"):
        read(told(SLOW_LOOKS))


@pytest.mark.parametrize("wrong", [{"robot": {}}, {"processes": [{"name": "p0", "hang_ms": 0}]}])
def test_what_it_does_not_know_is_refused(read, wrong):
    with pytest.raises(SettingsFault):
        read(told(**wrong))
