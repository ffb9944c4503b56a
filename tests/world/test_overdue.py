"""A deadline that has come stays due until it was handled, whatever the loop hears first."""

from safety.profile import MS
from tests.world.rig import Rig

US = 1_000


def test_a_rung_is_not_forgotten_when_a_strangers_frame_is_heard_before_it():
    rig = Rig().to_engaged()
    heard_ns = rig.now_ns
    rig.wait(heard_ns + 19 * MS)
    rig.now_ns = heard_ns + 20 * MS + 100 * US  # the loop is a tenth of a millisecond late
    rig.agent.receive(b"no command at all", rig.now_ns)
    rig.drain()
    assert rig.agent.next_deadline_ns(rig.now_ns) <= rig.now_ns
