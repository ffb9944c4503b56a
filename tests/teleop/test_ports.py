"""What a firewall is told is what the node listens on."""

import json
from pathlib import Path

import pytest

from teleop import cli
from teleop.node.config import parse
from teleop.node.mistakes import ConfigError
from teleop.node.ports import openings

VIDEO = '[video]\ncamera = "transport.io.cameras.chart"\n'


def test_what_listens_beyond_this_machine_is_told_apart():
    rows = openings(parse('[relay]\nconsole = "tcp://*:7411"\n'))
    found = {(row.protocol, row.ports): row.reach for row in rows}
    assert found[("tcp", "7411")] == ""
    assert found[("udp", "7411")] == "this machine"


def test_pictures_leave_by_a_range_of_ports():
    *_, video = openings(parse(VIDEO + "udp_ports = [7500, 7509]\n"))
    assert (video.protocol, video.address, video.ports) == ("udp", "*", "7500-7509")
    *_, video = openings(parse(VIDEO + 'udp_ports = [0, 0]\naddresses = ["127.0.0.1"]\n'))
    assert (video.ports, video.reach) == ("any", "this machine")


def test_devices_and_who_listens_to_vital_signs_need_a_bed():
    rows = openings(parse('[monitor]\nbeds = ["or/1"]\n'))
    assert {row.source for row in rows} >= {"devices", "who listens"}


def test_what_is_not_there_is_not_listed():
    assert not any(row.source == "devices" for row in openings(parse("")))
    rows = openings(parse('[relay]\ndatagram = ""\n[metrics]\nlisten = ""\n'))
    assert {row.protocol for row in rows} == {"tcp"}
    assert not any(row.what == "/metrics" for row in rows)


def test_the_command_says_it_to_people_and_programs(tmp_path: Path, capsys):
    path = tmp_path / "node.toml"
    path.write_text(VIDEO)
    assert cli.main(["ports", "--config", str(path)]) == 0
    assert "7420-7439" in capsys.readouterr().out
    assert cli.main(["ports", "--json", "--config", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["ports"] == "7420-7439"


@pytest.mark.parametrize("ports", ["[7, 6]", "[0, 5]", "[7, 70000]", "[-1, 5]"])
def test_a_range_that_is_none_is_refused(ports):
    with pytest.raises(ConfigError, match="udp_ports"):
        parse(f"{VIDEO}udp_ports = {ports}\n")
