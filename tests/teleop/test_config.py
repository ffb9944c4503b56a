"""A node.toml is right, or its first mistake is named: file, line, key, what was expected."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleop.node.checks import LISTENERS
from teleop.node.config import BYTES_MAX, load, parse, resolve
from teleop.node.mistakes import ConfigError, line_of
from teleop.node.rundir import default_path
from teleop.node.sections import NodeConfig

ROOT = Path(__file__).resolve().parents[2]
NODE_TOML = ROOT / "node.toml"


class Mistake(NamedTuple):
    """A node.toml with one mistake, and what is said about it."""

    text: str
    line: int
    key: str
    expected: str
    found: str


# fmt: off
MISTAKES = {
    "unknown key": Mistake(
        "[relay]\nidentity = 'r'\npathid = 1", 3, "relay.pathid", "path_id (or one of",
        "an unknown key"),
    "unknown table": Mistake(
        "\n[rely]\n", 2, "rely", "relay (or one of node, relay", "an unknown key"),
    "nothing alike": Mistake(
        "[node]\nxyzzy = 1", 2, "node.xyzzy", "one of name, state_dir", "an unknown key"),
    "wrong type": Mistake(
        "[relay]\n# a comment\npath_id = 'one'", 3, "relay.path_id", "a number, 1 to 255", "'one'"),
    "number for a bool": Mistake(
        "[node]\nrealtime = 1", 2, "node.realtime", "true or false", "1"),
    "bool for a number": Mistake(
        "[robot]\narms = true", 2, "robot.arms", "a number of arms, 1 to 4", "true"),
    "value for a table": Mistake(
        "relay = 7", 1, "relay", "a table", "7"),
    "out of range": Mistake(
        "[robot]\nstate_rate_hz = 100", 2, "robot.state_rate_hz", "a rate, 250 to 4000", "100"),
    "not a number": Mistake(
        "[robot.limits]\nspeed_m_s = nan", 2, "robot.limits.speed_m_s", "a number", "nan"),
    "infinite": Mistake(
        "[robot.limits]\nlag_m_max = inf", 2, "robot.limits.lag_m_max", "0 to 0.1", "inf"),
    "dotted key": Mistake(
        "[node]\nname = 'x'\n[robot]\nlimits.speed_m_s = 0", 4, "robot.limits.speed_m_s",
        "a number above 0", "0"),
    "inline table": Mistake(
        "robot = { arms = 9 }", 1, "robot.arms", "a number of arms, 1 to 4", "9"),
    "bad name": Mistake(
        "[node]\nname = 'Théâtre 3'", 2, "node.name", "a name, 1 to 32 of a-z", "'Théâtre 3'"),
    "name with a slash": Mistake(
        "[node]\nname = '../etc'", 2, "node.name", "a name, 1 to 32 of a-z", "'../etc'"),
    "no scheme": Mistake(
        "[session]\nlisten = '127.0.0.1:1'", 2, "session.listen", "an endpoint, \"tcp://host:port\"",
        "'127.0.0.1:1'"),
    "port too high": Mistake(
        "[relay]\nconsole = 'tcp://*:70000'", 2, "relay.console", "a port up to 65535",
        "port 70000"),
    "datagram port too high": Mistake(
        "[relay]\ndatagram = 'udp://*:99999'", 2, "relay.datagram", "a port up to 65535",
        "port 99999"),
    "port twice": Mistake(
        "[robot]\nguard = 'tcp://10.0.0.1:7413'", 2, "robot.guard", "a port of its own",
        "port 7413 of session.listen"),
    "metrics for all": Mistake(
        "[metrics]\nlisten = '0.0.0.0:9100'", 2, "metrics.listen",
        "a loopback address, because the page asks no key", "'0.0.0.0:9100'"),
    "metrics for the ward": Mistake(
        "[metrics]\nlisten = 'ward.example:9100'", 2, "metrics.listen", "a loopback address",
        "'ward.example:9100'"),
    "pages for the ward without a certificate": Mistake(
        "[web]\nlisten = '*:7417'", 2, "web.listen", "a loopback address, or a certificate",
        "'*:7417'"),
    "a certificate without its key": Mistake(
        "[web]\ncertificate = 'page.pem'", 1, "web.key", "a certificate and its key",
        "one of the two"),
    "unknown driver": Mistake(
        "[robot]\ndriver = 'teleop.sim.simq'", 2, "robot.driver", '"external"',
        "'teleop.sim.simq'"),
    "a bed twice": Mistake(
        "[monitor]\nbeds = ['icu/1', 'icu/1']", 2, "monitor.beds", "each bed once", "'icu/1'"),
    "a bed without its unit": Mistake(
        "[monitor]\nbeds = ['icu']", 2, "monitor.beds", '"unit/bed", each 1 to 15', "'icu'"),
    "a robot at no bed": Mistake(
        "[alarms]\nrobot_bed = 'or/1'", 2, "alarms.robot_bed", "one of monitor.beds", "'or/1'"),
    "an alarm without a right": Mistake(
        "[monitor]\nbeds = ['or/1']\n[alarms]\nrobot_bed = 'or/1'\nrobot_policy = 'hold'",
        5, "alarms.robot_policy", "alarms.robot_bed, and the monitor's identity", "'hold'"),
    "simulator elsewhere": Mistake(
        "[robot]\ndriver = 'teleop.sim.simd'\ndriver_listen = 'tcp://*:7416'", 3,
        "robot.driver_listen", '"unix" for the simulator', "'tcp://*:7416'"),
    "unknown policy": Mistake(
        "[robot.ceilings]\nwatchdog = 'panic'", 1, "robot.ceilings", "sources with a policy each",
        "{'watchdog': 'panic'}"),
    "two words of the watchdog": Mistake(
        "[robot.ceilings]\nwatchdog = 'hold'", 1, "watchdog.identity",
        "no source of robot.ceilings", "'watchdog'"),
    "two of a name": Mistake(
        "[session]\nidentity = 'robot'", 1, "robot.name", "no device name of relay", "'robot'"),
    "link is no module": Mistake(
        "[robot]\nlink = 'my link'", 2, "robot.link", "a Python module", "'my link'"),
    "a stop that the robot does not know": Mistake(
        "[robot]\n[estop.red]\nmodule = 'a'\ndevice = 'x'", 1, "estop",
        "names that robot.estops has", "'red'"),
    "a stop without a device": Mistake(
        "[robot]\nestops = ['red']\n[estop.red]\nmodule = 'a'", 3, "estop.red",
        "a table with module and device", "{'module': 'a'}"),
    "a key that no stop has": Mistake(
        "[estop.red]\nmodule = 'a'\ndevice = 'x'\n[estop.blue]\nlines = '17'", 5,
        "estop.blue.lines", "line (or one of module, device, line, bias)", "an unknown key"),
    "a value that no stop has": Mistake(
        "[estop.red]\nmodule = 'a'\ndevice = 'x'\n[estop.blue]\nmodule = 'a'\ndevice = 'x'\n"
        "bias = 'left'", 7, "estop.blue.bias", '"up" or "down"', "'left'"),
    "a stop that is no table": Mistake(
        "[estop]\nred = 3", 2, "estop.red", "a table with module and device", "3"),
    "stops that are no table": Mistake(
        "estop = 3", 1, "estop", "a table with module and device", "3"),
    "a stop twice": Mistake(
        "[robot]\nestops = ['red', 'red']", 2, "robot.estops", "names of their own", "'red'"),
    "a stop with another's name": Mistake(
        "[robot]\nestops = ['relay']", 2, "robot.estops", "names of their own", "'relay'"),
    "syntax": Mistake(
        "[node]\nname = \n", 2, "name", "TOML", "`name =` (invalid value)"),
    "key twice": Mistake(
        "[node]\nname = 'a'\nname = 'b'", 3, "name", "TOML", "cannot overwrite a value"),
    "table twice": Mistake(
        "[node]\n[relay]\n[node]", 3, "[node]", "TOML", "cannot declare"),
    "open string": Mistake(
        "[node]\nname = 'a", 2, "name", "TOML", "expected"),
}
# fmt: on


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named(mistake: Mistake):
    with pytest.raises(ConfigError) as caught:
        parse(mistake.text, "ward/node.toml")
    error = caught.value
    assert (error.file, error.line, error.key) == ("ward/node.toml", mistake.line, mistake.key)
    assert error.expected.startswith(mistake.expected)
    assert mistake.found in error.found
    assert str(error).startswith(f"ward/node.toml:{mistake.line}: {mistake.key}: expected ")


def test_the_repositorys_node_toml_is_the_defaults():
    assert parse(NODE_TOML.read_text()) == NodeConfig()


def test_the_repositorys_node_toml_is_complete():
    raw = tomllib.loads(NODE_TOML.read_text())
    assert raw == msgspec.json.decode(msgspec.json.encode(NodeConfig()))


def test_nothing_listens_beyond_loopback_unless_told_to():
    config = NodeConfig()
    endpoints = [of(config) for of in LISTENERS.values()] + [config.relay.datagram]
    assert all("127.0.0.1" in endpoint or endpoint == "unix" for endpoint in endpoints)


@pytest.mark.parametrize("host", ["*", "0.0.0.0", "[::]", "10.1.2.3", "edge.example"])
def test_endpoints_with_keys_may_listen_everywhere(host: str):
    config = parse(f"[relay]\nconsole = 'tcp://{host}:7411'")
    assert config.relay.console == f"tcp://{host}:7411"


def test_pages_go_out_by_tls():
    text = "[web]\nlisten = '*:7417'\ncertificate = 'page.pem'\nkey = '/k/page.key'"
    web = resolve(parse(text), Path("/etc/trocar")).web
    assert (web.certificate, web.key) == ("/etc/trocar/page.pem", "/k/page.key")


@pytest.mark.parametrize("listen", ["", "127.0.0.1:9100", "[::1]:9100", "localhost:9100"])
def test_metrics_stay_at_home(listen: str):
    assert parse(f"[metrics]\nlisten = '{listen}'").metrics.listen == listen


def test_paths_are_relative_to_the_file(tmp_path: Path):
    (tmp_path / "node.toml").write_text("[node]\nname = 'ward-3'\nstate_dir = 'state'")
    config = load(tmp_path / "node.toml")
    assert config.node.state_dir == str(tmp_path / "state")
    assert config.keys_dir == tmp_path / "state" / "keys"
    assert config.run_dir == default_path("ward-3")


def test_a_run_dir_that_is_named_is_taken():
    config = resolve(parse("[node]\nrun_dir = '/run/trocar'"), Path("/etc/trocar"))
    assert config.run_dir == Path("/run/trocar")


@pytest.mark.parametrize(
    ("make", "line", "expected"),
    [
        (lambda path: None, 1, "a readable node.toml"),
        (lambda path: path.mkdir(), 1, "a readable node.toml"),
        (lambda path: path.write_bytes(b"[node]\n# \xff\n"), 2, "UTF-8"),
        (lambda path: path.write_bytes(b"#" * (BYTES_MAX + 1)), 1, f"at most {BYTES_MAX} bytes"),
    ],
    ids=["missing", "a folder", "not UTF-8", "too large"],
)
def test_a_file_that_cannot_be_read_is_named(make, line: int, expected: str, tmp_path: Path):
    path = tmp_path / "node.toml"
    make(path)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert caught.value.expected == expected


def test_the_line_of_a_key_that_is_not_there_is_its_tables():
    assert line_of("[node]\n\n[relay]\npath_id = 1\n", "relay.console") == 3
    assert line_of("", "relay.console") == 1


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_a_named_mistake(text: str):
    mistake = mistake_in(text)
    assert mistake is None or re.match(r"node\.toml:\d+: ", str(mistake))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "arms", "listen", "limits"]), inner, max_size=3
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(["node", "relay", "robot", "metrics", "sim", "session", "other"]),
)
def test_any_value_anywhere_is_a_configuration_or_a_named_mistake(value: object, table: str):
    mistake = mistake_in(f"{table} = {_toml(value)}")
    assert mistake is None or mistake.line == 1


def mistake_in(text: str) -> ConfigError | None:
    try:
        parse(text)
    except ConfigError as error:
        return error
    return None


def _toml(value: object) -> str:
    match value:
        case None:
            return '""'
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return '"' + value.encode("ascii", "ignore").decode().translate(_PLAIN) + '"'
    return str(value)


_PLAIN = dict.fromkeys((*range(32), ord('"'), ord("\\"), 127), "_")


FIXTURES = """
[[robot.shape.fixtures]]
kind = "sphere"
name = "aorta"
centre_m = [0.0, 0.01, -0.12]
radius_m = 0.012

[[robot.shape.fixtures]]
kind = "half_space"
name = "floor"
point_m = [0.0, 0.0, -0.15]
normal = [0.0, 0.0, 1.0]
margin_m = 0.003
"""


def test_fixtures_are_tables_of_their_own():
    sphere, floor = parse(FIXTURES).robot.shape.fixtures
    assert (sphere.name, sphere.radius_m, floor.margin_m) == ("aorta", 0.012, 0.003)


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ("radius_m = 0.012", "radius_m = -1.0", "radius_m is -1.0"),
        ('name = "floor"', 'name = "aorta"', "two fixtures are called 'aorta'"),
        ('kind = "sphere"', 'kind = "cube"', "cube"),
        ("radius_m = 0.012", "", "radius_m"),
        ("radius_m = 0.012", "radius_m = 0.012\ncolour = 3", "colour"),
    ],
)
def test_a_fixture_that_is_none_is_refused_in_words(good, bad, words):
    with pytest.raises(ConfigError, match=words):
        parse(FIXTURES.replace(good, bad, 1))


def test_a_fence_that_is_inside_out_is_refused_in_words():
    with pytest.raises(ConfigError, match="corner_m_min"):
        parse("[robot.limits]\ncorner_m_min = [0.3, 0.0, 0.0]\n")


def test_a_wired_stop_has_one_policy_and_a_name():
    assert parse('[robot]\nestops = ["pillar"]\n').robot.estops == ("pillar",)
    both = '[robot]\nestops = ["pillar"]\n[robot.ceilings]\npillar = "hold"\n'
    with pytest.raises(ConfigError, match="'pillar' in both"):
        parse(both)
    with pytest.raises(ConfigError, match=r"robot\.estops"):
        parse('[robot]\nestops = ["Not A Name"]\n')
