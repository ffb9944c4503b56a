"""Connections are bounded, and who says nothing is let go."""

from teleop.web.connections import HANDSHAKE_NS, PATIENCE_NS, Connections


def test_only_so_many_are_open_and_an_end_makes_room():
    connections: Connections[str] = Connections(open_max=2)
    for one in "ab":
        assert connections.may_open()
        connections.opened(one, 0)
    assert not connections.may_open()
    assert connections.look(["a", "b"], 1) == []
    connections.look(["b"], 2)
    assert connections.may_open()


def test_who_never_asks_is_let_go():
    connections: Connections[str] = Connections()
    connections.opened("a", 0)
    assert connections.look(["a"], PATIENCE_NS // 4) == []
    assert connections.look(["a"], PATIENCE_NS // 4 + 1) == ["a"]


def test_who_asks_has_its_time_anew():
    connections: Connections[str] = Connections()
    connections.opened("a", 0)
    connections.asked("a", PATIENCE_NS)
    assert connections.look(["a"], 2 * PATIENCE_NS) == []
    assert connections.look(["a"], 2 * PATIENCE_NS + 1) == ["a"]


def test_a_handshake_that_is_under_way_counts_and_one_that_failed_is_forgotten():
    connections: Connections[str] = Connections(open_max=1)
    connections.opened("a", 0)
    connections.look([], HANDSHAKE_NS)
    assert not connections.may_open()
    connections.look([], HANDSHAKE_NS + 1)
    assert connections.may_open()


def test_a_stranger_is_not_counted():
    connections: Connections[str] = Connections()
    connections.asked("a", 5)
    assert connections.look(["a"], 10 * PATIENCE_NS) == []
