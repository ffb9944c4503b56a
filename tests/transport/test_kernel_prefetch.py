"""What is asked for ahead is a hint: it may point anywhere, and changes nothing."""

import os
import subprocess
import sys

import numpy as np

from transport.kernel.jit import jit
from transport.kernel.prefetch import prefetch, span

RECORD = np.dtype([("a", np.int64), ("b", np.float32, (3,)), ("c", np.float64)], align=True)


@jit
def ask(array, begin, size):
    prefetch(array, begin, size)
    return array["a"].sum()


def test_no_place_is_a_wrong_one():
    records = np.zeros(5, RECORD)
    records["a"] = 1
    kept = records.tobytes()
    for begin, size in ((0, 32), (0, 1), (10**12, 64), (-(10**12), 64), (8, 10_000)):
        assert ask(records, begin, size) == 5
    assert records.tobytes() == kept


def test_it_is_an_instruction_of_the_processor():
    ask(np.zeros(5, RECORD), 0, 64)
    assert any("prefetch" in text or "prfm" in text for text in ask.inspect_asm().values())


def test_fields_lie_where_the_type_says():
    assert span(RECORD.fields, "a", "a") == (0, 8)
    assert span(RECORD.fields, "b", "c") == (8, RECORD.itemsize - 8)


def test_a_plain_interpreter_asks_for_nothing():
    program = """
import numpy as np
from transport.kernel.prefetch import prefetch
prefetch(np.zeros(4), 0, 64)
"""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=50)
