"""What the sensor remembers: a record per lead and one per patient, of fixed size, 3 kB together.

Rings are powers of two long and addressed by the number of the sample. A patient's records depend
on no other's, so patients may come, go and change places.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.dsp.mask import MASK

#: Bands of a lead; see `band`.
BANDS: Final = 3
NARROW, WIDE, SHARP = range(BANDS)
#: Beats that a level is the median of; Hamilton 2002.
BEATS: Final = 8
#: R-R intervals that a rate is the mean of; IEC 60601-2-27.
INTERVALS: Final = 12
#: Samples that a lead is filtered ahead of what is decided: a tick of 40 ms.
BLOCK: Final = 10
#: Lengths of rings; those that decisions look back in have room for a block more.
MEAN: Final = 32
RAW: Final = 16
SMOOTH: Final = 8
HISTORY: Final = 128
ENVELOPE: Final = 64
#: Shapes of beats that a lead knows, and their samples: every second one, 240 ms.
SHAPES: Final = 3
POINTS: Final = 30

LEAD: Final = np.dtype(
    [
        ("since", np.int64),  # samples since it began to learn
        ("alive", np.bool_),  # has had a signal within 2 s
        ("settled", np.bool_),  # has learnt its levels
        ("heard", np.bool_),  # is asked at this sample
        ("lost_at", np.int64),  # when it had its last signal
        ("paced_at", np.int64),
        ("filled", np.int64),  # beats that levels were taken from
        ("mask", MASK),
        ("origin", np.float64),  # mV, subtracted: filters start at rest
        ("roughness", np.float64),  # mV, running mean of the second difference
        ("slope", np.float64),  # mV in 8 ms, steepest of the last beat
        ("pitch", np.float64),  # its sharp band as a part of its low one
        ("agreement", np.float64),  # bSQI
        ("quality", np.float64),
        ("moments", np.float64, (3,)),  # of the clean signal: 2nd, 4th; 2nd of what mains leave
        ("memory", np.float64, (14,)),
        ("sum", np.float64, (BANDS,)),
        ("gain", np.float64, (BANDS,)),  # 1 / level
        ("noise", np.float64, (BANDS,)),  # of level
        ("quiet", np.float64, (BANDS,)),  # mV, the largest since the last beat
        ("weight", np.float64, (BANDS,)),  # by the noise of the last eight beats
        ("trust", np.float64, (BANDS,)),  # by that of the last one as well
        ("window_n", np.int64),  # samples of the present window; see `crest`
        ("window_sum", np.float64, (BANDS,)),
        ("window_top", np.float64, (BANDS,)),
        ("raw", np.float64, (RAW,)),
        ("smooth", np.float64, (SMOOTH,)),
        ("rectified", np.float32, (MEAN, BANDS)),
        ("envelope", np.float32, (ENVELOPE, BANDS)),
        ("clean", np.float32, (HISTORY,)),
        ("learnt", np.float32, (BANDS, 3)),  # maxima of the seconds of learning
        ("beats", np.float32, (BANDS, BEATS)),
        ("noises", np.float32, (BANDS, BEATS)),
        ("windows", np.int64),
        ("fullness", np.float64, (BANDS,)),  # mean of an envelope, of its maximum
        ("swing", np.float64),  # of the low band's maxima, from window to window
        ("tops", np.float32, (BANDS, BEATS)),  # maxima of the last windows
        ("away", np.float32, (BEATS,)),  # how far those of the low band are from their median
        ("shape", np.float32, (SHAPES, POINTS)),
        ("seen", np.int32, (SHAPES,)),  # how often, forgetting
        ("breadth", np.float32, (SHAPES,)),  # of their QRS, samples
        ("met_at", np.int64, (SHAPES,)),  # when last
    ],
    align=True,
)

PATIENT: Final = np.dtype(
    [
        ("at", np.int64),  # samples so far
        ("active", np.bool_),  # a lead has learnt
        ("falling", np.bool_),  # after a peak, until the fused signal rises again
        ("blind", np.bool_),  # there was no lead since the last beat: no interval
        ("sighted_at", np.int64),  # when there was one
        ("last", np.float64),  # fused signal one sample ago
        ("peak", np.float64),
        ("peak_at", np.int64),
        ("beat_at", np.int64),  # peak of the fused signal at the last beat
        ("r_at", np.int64),
        ("taught_at", np.int64),  # the last beat that needed no search
        ("before", np.float64),  # interval before that beat, of peaks, samples; 0: none
        ("level", np.float64),
        ("noise", np.float64),
        ("usual", np.float64),  # R-R interval, median, samples
        ("typical", np.float64),  # how like a known shape beats are, running mean
        ("spare", np.float64),  # the best that was refused since the last beat
        ("spare_at", np.int64),
        ("spare_r", np.int64),
        ("spare_wide", np.float64),  # the best that the low band alone would take
        ("released_at", np.int64),  # when levels were last let go for want of beats
        ("filled", np.int64),
        ("filled_noise", np.int64),
        ("filled_rr", np.int64),
        ("beats", np.float32, (BEATS,)),
        ("noises", np.float32, (BEATS,)),
        ("rr", np.float32, (BEATS,)),
        ("rate", np.float64),  # bpm
        ("slow", np.int64),  # intervals over 1200 ms in a row
        ("counted", np.int64),
        ("intervals", np.float64, (INTERVALS,)),
    ],
    align=True,
)

#: What a lead's sample is to those who decide.
GONE, BACK, LOST, DOUBTED, PLAIN = range(5)

#: What one patient's block is worked out in; nothing in it outlives the block.
WORK: Final = np.dtype(
    [
        ("v", np.float64, (BLOCK,)),  # mV, of one lead
        ("sign", np.uint8, (3, BLOCK)),  # GONE to PLAIN, by lead
        ("spike", np.float64, (3, BLOCK)),  # mV, 0: none
        ("fused", np.float64, (BLOCK,)),
    ],
    align=True,
)
