"""The audit from the command line: who did what here, and whether it still says so."""

import json

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from teleop import cli


@pytest.fixture
def node(tmp_path):
    """A commissioned node that has made and revoked a key."""
    path = tmp_path / "node.toml"
    path.write_text("[node]\nname = 'theatre-3'\nstate_dir = 'state'\n")
    for words in (["init"], ["new", "ward-3", "--role", "console"], ["revoke", "ward-3"]):
        assert cli.main(["keys", *words, "--config", str(path)]) == 0
    return path


@pytest.fixture
def said(capsys):
    def run(*words):
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


def test_what_was_done_with_keys_is_told_in_words(node, said):
    code, out, _ = said("audit", "show", "--config", node)
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 3
    assert "commissioned a node (theatre-3)" in lines[0]
    assert "made a key (ward-3): console" in lines[1]
    assert "revoked a key (ward-3)" in lines[2]
    assert said("audit", "show", "--last", 1, "--config", node)[1] == lines[2] + "\n"


def test_what_holds_is_said_to_hold(node, said):
    code, out, _ = said("audit", "verify", "--config", node)
    assert (code, out) == (0, "all 3 records are as they were written, signed to the last\n")
    code, out, _ = said("audit", "verify", "--json", "--config", node)
    assert json.loads(out) == {"records": 3, "signed": 3, "fault": None}


def test_what_was_tampered_with_is_named_with_its_place(node, said):
    path = node.parent / "state" / "audit" / "audit-000001.jsonl"
    path.write_text(path.read_text().replace("ward-3", "ward-4", 1))
    code, out, _ = said("audit", "verify", "--config", node)
    assert code == 1
    assert out.startswith(f"record 2 in {path}: it was changed")
    code, out, _ = said("audit", "verify", "--json", "--config", node)
    assert (code, json.loads(out)["fault"]["n"]) == (1, 2)


def test_it_is_exported_as_it_is_kept_and_as_fhir(node, said, tmp_path):
    _, out, _ = said("audit", "export", "--config", node)
    assert [json.loads(line)["act"] for line in out.splitlines()] == [
        "commission",
        "key_new",
        "key_revoke",
    ]
    target = tmp_path / "events.ndjson"
    code, out, _ = said("audit", "export", "--form", "fhir", "--out", target, "--config", node)
    assert (code, out) == (0, f"3 records are in {target}\n")
    events = [AuditEvent.model_validate_json(line) for line in target.read_text().splitlines()]
    assert [event.action for event in events] == ["C", "C", "D"]


def test_only_what_came_since_is_exported(node, said):
    assert said("audit", "export", "--since", "2099-01-01", "--config", node)[1] == ""
    assert (
        said("audit", "export", "--since", "2020-01-01T08:00", "--config", node)[1].count("\n") == 3
    )
    with pytest.raises(SystemExit):
        said("audit", "export", "--since", "yesterday", "--config", node)


def test_where_nobody_signs_yet_a_key_is_made_and_that_is_said(tmp_path, said):
    path = tmp_path / "node.toml"
    path.write_text("[node]\nstate_dir = 'state'\n")
    code, _, err = said("keys", "new", "ward-3", "--role", "console", "--config", path)
    assert code == 0
    assert "not in the audit" in err
    code, _, err = said("audit", "show", "--config", path)
    assert code == 2
    assert "no audit here" in err
