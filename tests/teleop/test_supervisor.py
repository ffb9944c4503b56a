"""Stories of a node's processes, told in virtual time."""

from itertools import product

import pytest

from teleop.node.processes import Process, Restart, always
from teleop.node.supervisor import (
    TABLE,
    BecameReady,
    Event,
    Exited,
    Fact,
    Message,
    Order,
    Phase,
    Signal,
    Spawn,
    Spawned,
    SpawnFailed,
    Stop,
    Supervisor,
)

MS = 1_000_000
SECOND = 1_000 * MS
START_NS = 5 * SECOND


def row(name: str, restart: Restart = Restart.ALWAYS) -> Process:
    return Process(name, f"tests.{name}", 0, 0, restart, always)


class House:
    """A supervisor, a clock, and processes that do what the test says."""

    def __init__(self, *names: str, restart: Restart = Restart.ALWAYS) -> None:
        self.now_ns = START_NS
        self.core = Supervisor([row(name, restart) for name in names], self.now_ns)
        self.pid = 100
        self.orders: list[Order] = []
        self.events: list[Event] = []

    def tell(self, message: Message) -> None:
        self.core.receive(message, self.now_ns)
        self.drain()

    def drain(self) -> None:
        self.orders += self.core.to_send(self.now_ns)
        while (event := self.core.next_event()) is not None:
            self.events.append(event)

    def obey(self) -> list[Order]:
        """Answer every spawn as a machine does that works; return what was ordered."""
        self.drain()
        orders, self.orders = self.orders, []
        for order in orders:
            if isinstance(order, Spawn):
                self.pid += 1
                self.tell(Spawned(order.name, self.pid))
        return orders

    def after(self, delay_ns: int) -> list[Order]:
        self.now_ns += delay_ns
        self.core.handle_deadline(self.now_ns)
        return self.obey()

    def up(self, *names: str) -> None:
        self.after(0)
        for name in names:
            self.tell(BecameReady(name))

    def what(self, name: str) -> list[str]:
        return [event.what for event in self.events if event.name == name]


def test_everything_starts_at_once_in_the_tables_order():
    house = House("robotd", "relayd")
    assert house.after(0) == [Spawn("robotd"), Spawn("relayd")]
    assert house.core.pids() == {"robotd": 101, "relayd": 102}
    assert house.core.next_deadline_ns() is None, "a running node waits for nothing"


def test_ready_is_told_once_with_the_time_it_took():
    house = House("relayd")
    house.after(0)
    assert not house.core.all_ready
    house.now_ns += 410 * MS
    house.tell(BecameReady("relayd"))
    assert house.core.all_ready
    assert house.events[-1] == Event("relayd", "ready", "", 410 * MS)


def test_pauses_double_from_100_ms_to_5_s():
    house = House("relayd")
    house.up("relayd")
    pauses = []
    for _ in range(9):
        house.tell(Exited("relayd", -9))
        deadline = house.core.next_deadline_ns()
        assert deadline is not None
        pauses.append((deadline - house.now_ns) // MS)
        assert house.after(deadline - house.now_ns - 1) == []
        assert house.after(1) == [Spawn("relayd")]
    assert pauses == [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]


def test_ten_seconds_of_life_forgive_the_past():
    house = House("relayd")
    house.up("relayd")
    for life_ns, pause_ms in ((0, 100), (9 * SECOND, 200), (10 * SECOND, 100), (0, 200)):
        house.now_ns += life_ns
        house.tell(Exited("relayd", 1))
        assert house.events[-1] == Event("relayd", "exited", "exit 1", pause_ms * MS)
        house.after(pause_ms * MS)


def test_one_process_that_dies_disturbs_no_other():
    house = House("robotd", "relayd")
    house.up("robotd", "relayd")
    house.tell(Exited("relayd", 0))
    assert house.after(100 * MS) == [Spawn("relayd")]
    assert house.core.pids()["robotd"] == 101
    assert house.core.phase("robotd") is Phase.READY


def test_a_process_that_cannot_be_spawned_is_tried_again():
    house = House("relayd")
    house.core.handle_deadline(house.now_ns)
    house.core.to_send(house.now_ns)
    house.tell(SpawnFailed("relayd", "no memory"))
    assert house.events[-1] == Event("relayd", "failed", "no memory", 100 * MS)
    assert house.after(100 * MS) == [Spawn("relayd")]


def test_a_row_that_never_restarts_stays_gone():
    house = House("once", restart=Restart.NEVER)
    house.up("once")
    house.tell(Exited("once", 0))
    assert house.core.next_deadline_ns() is None
    assert house.core.phase("once") is Phase.GONE
    house.tell(Stop())
    assert house.core.finished


def test_the_living_are_adopted_and_not_started_again():
    house = House("robotd", "relayd")
    house.tell(Spawned("robotd", 77, adopted=True))
    assert house.after(0) == [Spawn("relayd")]
    assert house.events[0] == Event("robotd", "adopted", "pid 77")
    house.tell(Exited("robotd", None))
    assert house.events[-1].detail == "exit status unknown"
    assert house.after(100 * MS) == [Spawn("robotd")]


def test_a_clean_stop_asks_all_at_once_and_ends_with_the_last():
    house = House("robotd", "relayd")
    house.up("robotd", "relayd")
    house.tell(Stop())
    assert house.obey() == [Signal("robotd", kill=False), Signal("relayd", kill=False)]
    house.tell(Exited("relayd", 0))
    assert not house.core.finished
    house.tell(Exited("robotd", 0))
    assert house.core.finished
    assert house.core.next_deadline_ns() is None
    assert "killed" not in house.what("robotd")


def test_who_does_not_leave_is_killed_after_1500_ms():
    house = House("relayd")
    house.up("relayd")
    house.tell(Stop())
    house.obey()
    assert house.after(1_499 * MS) == []
    assert house.after(1 * MS) == [Signal("relayd", kill=True)]
    house.tell(Exited("relayd", -9))
    assert house.core.finished
    assert house.what("relayd")[-2:] == ["killed", "exited"]


def test_who_survives_even_that_is_abandoned_within_two_seconds():
    house = House("stuck")
    house.up("stuck")
    began_ns = house.now_ns
    house.tell(Stop())
    while not house.core.finished:
        deadline = house.core.next_deadline_ns()
        assert deadline is not None
        house.after(deadline - house.now_ns)
    assert house.now_ns - began_ns < 2 * SECOND
    assert house.events[-1] == Event("stuck", "abandoned", "pid 101 survives SIGKILL")
    house.tell(Exited("stuck", -9))  # and leaves after all
    assert house.core.finished


def test_a_stop_while_a_process_rests_starts_nothing_more():
    house = House("relayd")
    house.up("relayd")
    house.tell(Exited("relayd", 1))
    house.tell(Stop())
    assert house.core.finished
    assert house.after(60 * SECOND) == []


def test_all_killed_at_once_with_the_keeper_told_last():
    """`kill` to a whole group reaches the children first: none may come back."""
    house = House("robotd", "relayd")
    house.up("robotd", "relayd")
    house.tell(Exited("robotd", 0))
    house.tell(Exited("relayd", 0))
    house.now_ns += 20 * MS
    house.tell(Stop())
    assert house.core.finished
    assert house.obey() == []


def test_a_stop_that_overtakes_a_spawn_reaches_the_process_when_it_is_there():
    house = House("relayd")
    house.core.handle_deadline(house.now_ns)
    house.tell(Stop())
    assert house.orders == [Spawn("relayd")], "nobody to signal yet"
    house.tell(Spawned("relayd", 7))
    assert house.orders[1:] == [Signal("relayd", kill=False)]
    assert house.core.next_deadline_ns() == house.now_ns + 1_500 * MS


def test_a_second_stop_changes_nothing():
    house = House("relayd")
    house.up("relayd")
    house.tell(Stop())
    house.obey()
    due_ns = house.core.next_deadline_ns()
    house.now_ns += 500 * MS
    house.tell(Stop())
    assert house.obey() == []
    assert house.core.next_deadline_ns() == due_ns


def test_an_empty_table_stops_at_once():
    house = House()
    house.tell(Stop())
    assert house.core.finished


def test_events_have_a_limit():
    house = House("relayd")
    house.after(0)
    for _ in range(2_000):
        house.core.receive(Exited("relayd", 1), house.now_ns)
        house.now_ns += 5 * SECOND
        house.core.handle_deadline(house.now_ns)
        house.core.receive(Spawned("relayd", 1), house.now_ns)
    count = 0
    while house.core.next_event() is not None:
        count += 1
    assert count == 1024


@pytest.mark.parametrize(("phase", "fact"), list(product(Phase, Fact)))
def test_the_table_keeps_its_promises(phase: Phase, fact: Fact):
    """Over all phases and facts: a stop has an answer, and nothing rises out of it."""
    if fact is Fact.STOP:
        assert fact in TABLE[phase]
    if fact not in TABLE[phase]:
        return
    after, _ = TABLE[phase][fact]
    if phase is Phase.GONE:
        assert after is Phase.GONE
    if phase in (Phase.STOPPING, Phase.KILLING):
        assert after in (Phase.STOPPING, Phase.KILLING, Phase.GONE)


def test_a_fact_without_a_row_is_refused_and_changes_nothing():
    house = House("relayd")
    with pytest.raises(AssertionError, match="relayd: READY in WAITING"):
        house.core.receive(BecameReady("relayd"), house.now_ns)
    assert house.core.phase("relayd") is Phase.WAITING


def test_whoever_ended_a_process_says_why():
    house = House("relayd")
    house.up("relayd")
    house.tell(Exited("relayd", -9, "hung for 20 ms: fenced"))
    assert house.events[-1].detail == "hung for 20 ms: fenced, signal 9"
