"""A robot's driver in thirty lines. Run: python driver.py <run_dir>/driver-<robot>.sock"""

import select
import socket
import struct
import sys
import time

import msgpack

POSE = struct.Struct("<8d")  # in the base: x y z (m), quaternion w x y z, jaw (rad)
pose = goal = (0.0, 0.0, -0.1, 1.0, 0.0, 0.0, 0.0, 0.0)
enabled, accepted, instance = False, 0, time.time_ns()
robot = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
robot.connect(sys.argv[1])
while True:
    message = select.select([robot], [], [], 0.002)[0] and robot.recv(4096)
    now = time.monotonic_ns()
    if enabled and now - accepted > 30_000_000:  # rule 2: our own watchdog
        enabled, goal = False, pose
    match message and msgpack.unpackb(message):
        case [1, 33, 0, _, tick, valid_us, setpoint, *_] if 0 <= now - tick <= valid_us * 1000:
            if enabled:  # rule 1 was the line above: it answers a fresh measurement
                goal, accepted = POSE.unpack(setpoint), now
        case [1, 34, category]:  # rule 3: only clear, which is nil, enables
            enabled, goal, accepted = category is None, pose, now
    pose = (*(p + 0.3 * (g - p) for p, g in zip(pose[:3], goal, strict=False)), *goal[3:])
    said = [1, 32, now, instance, 2 | (4 if enabled else 8), 0, b"", POSE.pack(*pose), bytes(48), 0]
    if select.select([], [robot], [], 0)[1]:  # never wait: what cannot leave now is old
        robot.send(msgpack.packb(said))
