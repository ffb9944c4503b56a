"""What every store of authority must do, told once: a new one is a subclass that opens it.

class TestMine(Conformance):
    @pytest.fixture
    def opened(self): return lambda: MyStore(...)
"""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safety.grant import Role
from safety.seat import Holder, Phase, Row
from safety.store.authority import Kept, StoreConflict

NOW, HOUR_S, S = 1_700_000_000_000_000_000, 3600, 1_000_000_000
few = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def asks(epoch, console="surgeon1", robot="psm1", *, holder=None):
    """A grant of this epoch, on its way to the robot."""
    after = Holder(console, b"session%d" % (epoch % 10), Role.SURGEON, epoch)
    phase = Phase.PASSING if holder else Phase.REQUESTED
    return Row(robot, phase, epoch, holder=holder, next=after, to=console, claims=True)


def holds(epoch, console="surgeon1", robot="psm1"):
    """The robot has accepted it."""
    holder = Holder(console, b"session%d" % (epoch % 10), Role.SURGEON, epoch)
    return Row(robot, Phase.GRANTED, epoch, holder=holder)


def free(epoch, robot="psm1"):
    return Row(robot, Phase.FREE, epoch)


class Conformance:
    """The stories. `opened` opens one more handle on the same store."""

    @pytest.fixture
    def opened(self):
        raise NotImplementedError

    @pytest.fixture
    def store(self, opened):
        store = opened()
        store.read()
        yield store
        store.close()

    def test_a_new_store_knows_no_epoch_and_no_robot(self, store):
        assert store.read() == Kept(0, ())

    def test_what_was_written_is_what_another_reads(self, store, opened):
        row = asks(7)._replace(
            bed="or-3", waiting=("surgeon2", "chirurg-ö"), observers=("student",)
        )
        store.write(row, NOW, HOUR_S)
        kept = opened().read()
        assert kept.epoch == 7
        assert [listed.row for listed in kept.robots] == [row._replace(claims=False)]

    def test_a_holder_holds_from_when_it_is_one_until_its_grant_ends(self, store):
        store.write(asks(1), NOW, HOUR_S)
        assert store.read().robots[0][1:] == (0, 0), "nobody holds it yet"
        store.write(holds(1), NOW + S, HOUR_S)
        store.write(holds(1)._replace(waiting=("other",)), NOW + 9 * S, HOUR_S)
        assert store.read().robots[0][1:] == (NOW + S, NOW + S + HOUR_S * S)
        store.write(holds(2), NOW + 20 * S, HOUR_S)
        assert store.read().robots[0].since_utc_ns == NOW + 20 * S
        store.write(free(2), NOW + 21 * S, HOUR_S)
        assert store.read().robots[0][1:] == (0, 0)

    def test_no_two_grants_have_one_epoch(self, store):
        store.write(asks(5), NOW, HOUR_S)
        for taken in (1, 4, 5):
            with pytest.raises(StoreConflict, match="taken"):
                store.write(asks(taken, robot="psm2"), NOW, HOUR_S)
        assert [listed.row.robot for listed in store.read().robots] == ["psm1"]
        store.write(asks(6, robot="psm2"), NOW, HOUR_S)

    def test_two_services_that_grant_in_the_same_moment_are_one_that_does(self, store, opened):
        start, found = threading.Barrier(2), []

        def grant(console):
            own = opened()
            own.read()
            start.wait(5)
            try:
                own.write(asks(1, console), NOW, HOUR_S)
            except StoreConflict:
                found.append("")
            else:
                found.append(console)
            own.close()

        threads = [threading.Thread(target=grant, args=(c,)) for c in ("surgeon1", "surgeon2")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        (winner,) = filter(None, found)
        assert store.read().robots[0].row.next.console == winner

    def test_who_has_not_seen_what_stands_there_does_not_replace_it(self, store, opened):
        other = opened()
        other.read()
        store.write(asks(1), NOW, HOUR_S)
        store.write(holds(1), NOW, HOUR_S)
        for stale in (asks(2, "surgeon2"), free(2)):
            with pytest.raises(StoreConflict, match="meanwhile"):
                other.write(stale, NOW, HOUR_S)
        assert other.read().robots[0].row == holds(1)
        other.write(free(1), NOW, HOUR_S)
        with pytest.raises(StoreConflict):
            store.write(holds(1), NOW, HOUR_S)

    def test_who_never_looked_replaces_nothing(self, store, opened):
        store.write(holds(3), NOW, HOUR_S)
        with pytest.raises(StoreConflict):
            opened().write(free(9), NOW, HOUR_S)
        assert store.read().epoch == 3

    @few
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([0, 1]),
                st.sampled_from([asks, holds, free]),
                st.integers(0, 9),
                st.sampled_from(["psm1", "psm2"]),
                st.booleans(),
            ),
            max_size=20,
        )
    )
    def test_whoever_writes_what_the_epoch_never_falls_and_is_never_given_twice(
        self, opened, writes
    ):
        stores = [opened(), opened()]
        kept = stores[0].read()
        base, last, given_epochs = kept.epoch, kept.epoch, set()
        for who, make, step, robot, looks in writes:
            if looks:
                stores[who].read()
            row = make(base + step, robot=robot)
            try:
                stores[who].write(row, NOW, HOUR_S)
            except StoreConflict:
                continue
            if row.claims:
                assert row.epoch not in given_epochs
                given_epochs.add(row.epoch)
            now = stores[1 - who].read().epoch
            assert now == max(last, row.epoch)
            last = now
        for store in stores:
            store.close()
