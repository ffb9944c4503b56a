"""What the messages of permission promise of their size."""

from safety.messages import ArmState, RobotState
from transport.io.hub import FRAME_BYTES_MAX, ROBOT
from transport.wire.codec import Registry, encode

BIG = (1 << 63) - 1


def test_a_state_of_four_arms_that_say_all_they_can_passes_every_door():
    pose, joints, hops = bytes(64), bytes(128), bytes(128)
    arms = tuple(
        ArmState(
            n, BIG, 2**32 - 1, 2**32 - 1, hops, BIG, BIG, BIG, True, pose, bytes(48), joints,
            pose, pose, 255, 255, 2**32 - 1,
        )
        for n in range(4)
    )  # fmt: skip
    state = RobotState(
        17, "r" * 32, bytes(8), BIG, bytes(8), BIG, BIG, 7, 255, True, 15, arms, bytes(16)
    )
    data = encode(state)
    assert len(data) <= min(RobotState.BYTES_MAX, FRAME_BYTES_MAX[ROBOT])
    assert Registry((RobotState,)).decode(data) == state
