"""Log-linear histogram of durations: 250 ns resolution, 16 bins an octave, fixed memory."""

from __future__ import annotations

from rtcore.jit import kernel

BINS = 400
UNIT_NS = 250


@kernel
def bin_of(t_ns):  # type: ignore[no-untyped-def]
    """Bin of a duration [ns]; negative durations count as zero."""
    u = max(t_ns, 0) // UNIT_NS
    if u < 16:
        return u
    octave = 0
    while (u >> octave) >= 32:
        octave += 1
    return min(BINS - 1, (octave + 1) * 16 + (u >> octave) - 16)


@kernel
def upper_edge_ns(b):  # type: ignore[no-untyped-def]
    """Upper edge of a bin [ns]."""
    if b < 16:
        return (b + 1) * UNIT_NS
    octave = b // 16 - 1
    return ((b % 16 + 17) << octave) * UNIT_NS


@kernel
def percentile_ns(counts, start, fraction):  # type: ignore[no-untyped-def]
    """Upper edge [ns] of the bin that holds the given fraction; 0 when nothing was counted."""
    total = 0
    for b in range(BINS):
        total += counts[start + b]
    if total == 0:
        return 0
    seen = 0
    for b in range(BINS):
        seen += counts[start + b]
        if seen >= fraction * total:
            return upper_edge_ns(b)
    return upper_edge_ns(BINS - 1)
