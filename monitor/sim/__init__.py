"""Patients that do not exist: signals with a truth beside them, the same for the same seed.

    recording = make(SCRIPTS["sinus"], seed=7, patient=0)

Everything is drawn from `(seed, patient)`, each part of it from a stream of its own: noise that is
added does not move a beat. The parameters are tables, set before any detector was tuned and changed
for no detector's sake. What the tables take from a paper or a standard says so there; the rest is
ours, chosen to look like what it is named after. No patient was measured for them: what passes
here may still fail at a bed.

    waves     what one beat looks like, as a dipole that turns; leads are projections of it
    rhythms   when beats come, of which kind
    waviness  rhythms without beats: fibrillation, of the atria or the ventricles
    noise     what a lead adds: muscles, movement, baseline, mains; to a ratio in dB
    pulses    what beats do to pressure and to light; breath
    defects   what an electrode or an amplifier does to samples
    packets   what a network does to packets
    patient   all of it together
"""
