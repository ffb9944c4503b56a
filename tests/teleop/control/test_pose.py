"""Rotations obey the laws of rotations, at every angle, in tuples and arrays, compiled or not."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teleop.control import pose
from teleop.control.pose import (
    along,
    between,
    blend,
    conjugate,
    cross,
    dot,
    exp,
    from_axes,
    from_matrix,
    load,
    log,
    multiply,
    normalise,
    rotate,
    store,
    to_axes,
    to_matrix,
)

ANGLE = 1e-12  # rad: what float64 leaves of an angle after a few products
parts = st.floats(-1.0, 1.0)
vectors = st.tuples(parts, parts, parts)
angles = st.floats(1e-9, math.pi - 1e-6)


@st.composite
def quaternions(draw):
    q = np.array([draw(parts) for _ in range(4)])
    norm = np.linalg.norm(q)
    return tuple((q / norm).tolist()) if norm > 1e-3 else (1.0, 0.0, 0.0, 0.0)


@st.composite
def axes(draw):
    v = np.array(draw(vectors))
    norm = np.linalg.norm(v)
    return v / norm if norm > 1e-3 else np.array([0.0, 0.0, 1.0])


def matrix(q):
    out = np.empty((3, 3))
    to_matrix(q, out)
    return out


def flat(result):
    parts = result if isinstance(result, tuple) else (result,)
    return np.concatenate([np.atleast_1d(part).ravel() for part in parts])


def length(q):
    return math.sqrt(sum(value * value for value in q))


# Laws --------------------------------------------------------------------------------------------


@given(quaternions(), quaternions())
def test_a_product_of_quaternions_is_the_product_of_their_matrices(a, b):
    assert matrix(multiply(a, b)) == pytest.approx(matrix(a) @ matrix(b), abs=ANGLE)


@given(quaternions())
def test_a_matrix_is_a_rotation_and_gives_its_quaternion_back(q):
    m = matrix(q)
    assert m @ m.T == pytest.approx(np.eye(3), abs=ANGLE)
    assert np.linalg.det(m) == pytest.approx(1.0)
    back = from_matrix(m)
    assert back[0] >= 0.0
    assert between(q, back) <= ANGLE


@given(axes(), st.sampled_from([0.0, 1e-9, math.pi - 1e-9, math.pi]))
def test_no_turn_and_half_a_turn_are_no_worse_conditioned_than_others(axis, angle):
    q = (math.cos(angle / 2), *(math.sin(angle / 2) * axis))
    assert between(q, from_axes(*to_axes(q))) <= ANGLE


@given(quaternions(), vectors)
def test_rotating_a_vector_is_multiplying_by_the_matrix_and_back_is_the_conjugate(q, v):
    turned = rotate(q, v)
    assert turned == pytest.approx(matrix(q) @ v, abs=ANGLE)
    assert rotate(conjugate(q), turned) == pytest.approx(v, abs=ANGLE)


@given(axes(), angles)
def test_exp_turns_about_its_axis_by_its_length_and_log_undoes_it(axis, angle):
    q = exp(tuple(axis * angle))
    assert length(q) == pytest.approx(1.0)
    assert between((1.0, 0.0, 0.0, 0.0), q) == pytest.approx(angle, rel=1e-9)
    assert rotate(q, axis) == pytest.approx(axis, abs=ANGLE)
    assert log(q) == pytest.approx(axis * angle, rel=1e-9, abs=ANGLE)
    assert log(tuple(-np.array(q))) == pytest.approx(log(q))


@pytest.mark.parametrize("tiny", [0.0, 1e-200, 1e-12, 1.9e-4, 2.1e-4])
def test_exp_and_log_keep_small_angles(tiny):
    assert log(exp((tiny, 0.0, 0.0)))[0] == pytest.approx(tiny, rel=1e-14)


def test_exp_is_right_handed():
    assert rotate(exp((0.0, 0.0, math.pi / 2)), (1.0, 0.0, 0.0)) == pytest.approx((0.0, 1.0, 0.0))


@given(quaternions(), axes(), angles)
def test_between_measures_the_angle_that_separates_two_orientations(q, axis, angle):
    turned = multiply(q, exp(tuple(axis * angle)))
    assert between(q, turned) == pytest.approx(angle, rel=1e-6, abs=1e-15)
    assert between(turned, q) == pytest.approx(between(q, turned))
    assert between(q, tuple(-np.array(turned))) == pytest.approx(between(q, turned), abs=ANGLE)


@given(vectors, vectors, parts, parts)
def test_vectors_add_and_multiply_as_vectors_do(a, b, s, t):
    assert cross(a, b) == pytest.approx(np.cross(a, b), abs=ANGLE)
    assert dot(a, b) == pytest.approx(np.dot(a, b), abs=ANGLE)
    assert along(a, t, b) == pytest.approx(np.array(a) + t * np.array(b), abs=ANGLE)
    assert blend(s, a, t, b) == pytest.approx(s * np.array(a) + t * np.array(b), abs=ANGLE)


# Edges -------------------------------------------------------------------------------------------


@given(quaternions(), st.floats(1e-100, 1e100))
def test_normalise_forgets_only_the_length(q, scale):
    assert normalise(tuple(scale * v for v in q)) == pytest.approx(q, abs=ANGLE)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e200, 1e-200])
def test_what_has_no_direction_is_no_rotation(value):
    assert normalise((value, value, value, value)) == (1.0, 0.0, 0.0, 0.0)


@given(quaternions(), vectors)
def test_a_pose_is_stored_and_loaded_as_it_is(q, p):
    out = np.full(7, math.nan)
    store(p, q, out)
    assert load(out) == (p, q)


@given(quaternions(), quaternions(), vectors)
def test_a_slice_of_an_array_is_read_like_a_tuple(a, b, v):
    row = np.array([*a, *b, *v])
    assert multiply(row[:4], row[4:8]) == multiply(a, b)
    assert rotate(row[:4], row[8:]) == rotate(a, v)
    assert between(row[:4], b) == between(a, b)


@given(quaternions(), quaternions(), vectors)
@settings(max_examples=30)
def test_the_undecorated_function_gives_the_same(a, b, v):
    arguments = {
        "a": a,
        "b": b,
        "q": a,
        "v": v,
        "t": 0.3,
        "s": 0.7,
        "matrix": matrix(b),
        "pose": np.array([*v, *a]),
        "p": v,
    }
    x, y, z = to_axes(a)
    for name, kernel in inspect.getmembers(pose, lambda member: hasattr(member, "py_func")):
        outs = [np.zeros((3, 3) if name == "to_matrix" else 7) for _ in range(2)]
        results = []
        for function, out in zip((kernel, kernel.py_func), outs, strict=True):
            named = arguments | {"out": out} | ({"x": x, "y": y, "z": z})
            wanted = [named[p] for p in inspect.signature(kernel.py_func).parameters]
            results.append(function(*wanted))
        assert np.array_equal(outs[0], outs[1]), name
        if results[0] is not None:
            compiled, plain = (flat(result) for result in results)
            assert compiled == pytest.approx(plain, rel=1e-14, abs=1e-15), name
