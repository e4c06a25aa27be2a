"""Faults and open conductors at a point of a line, without new nodes in the network.

The line is cut at the place x (share of its length from terminal 1) into two nominal-pi sections
of series impedance Z x and Z (1 - x) and shunt admittance B x and B (1 - x), all from the line's
own block: Z^-1 = -Y12, B/2 = Y11 + Y12. A closed conductor has one middle node, a broken one a
middle node on either side. With the fault admittances on the middle nodes m these are eliminated
exactly (G. Kron, "Tensor Analysis of Networks", 1939): from

    [ Yee Yem ] [ve]   [i]
    [ Yme Ymm ] [vm] = [0]

follow vm = W ve with W = -Ymm^-1 Yme, and the line's block Yee + Yem W between its terminals,
which takes the place of the normal one in the matrix. Several faults on one line are a chain: the
block up to a place, reduced, is the left section of the next one.

A broken phase keeps inductive and capacitive coupling to its neighbours. That induces voltage but
feeds nothing, so it is no *link*: what joins ends and middles (conductors, the fault itself) is
followed by labels, apart from the numbers.
"""

from __future__ import annotations

from rtcore.jit import kernel
from rtcore.network.factor import position
from rtcore.network.grid_arrays import ENDS_MAX

SECTION_MIN = 1e-5
"""Shortest section between two faults at one place [share of the line]; an error of this size.

Of two at the same place the one in the lower slot is nearer to terminal 1.
"""

ISOLATED_S, ISOLATED = 1e-9, 1e-14
"""A middle with less than this to hold it, absolutely and as a share of the largest entry, stands at 0 V.

Such is a piece of conductor between two breaks: its own charging, or what rounding leaves of it.
"""

RESIDUE = 1e-12
"""What is left of an entry after taking out the line's part is rounding below this share of it."""

SOURCE_SIDE, FAR_SIDE = 0, 1


@kernel
def stamp_lines(ap, ai, ax, link, fs, n_nodes):  # type: ignore[no-untyped-def]
    """Put the blocks of faulted lines in place of their normal ones in ``ax`` and ``link``."""
    lines, slots = fs.lines, fs.slots
    for k in range(lines.shape[0]):
        lines[k]["last_slot"] = -1
    n_bus = fs.bus_node.shape[0]
    for k in range(slots.shape[0]):
        number = slots[k]["place"] - n_bus - 1
        if slots[k]["is_in"] != 0 and number >= 0 and lines[number]["last_slot"] < 0:
            line = lines[number]
            line["last_slot"] = _chain(line, slots, slots[k]["place"], fs.work)
            _exchange(ap, ai, ax, link, line, slots[line["last_slot"]], n_nodes)


@kernel
def _chain(line, slots, place, work):  # type: ignore[no-untyped-def]
    """Reduce a line with all its faults, from terminal 1 on; returns the last slot."""
    k, before = _next_slot(slots, place, -1), -1
    at = slots[k]["fraction"]
    first_length = at
    while True:
        following = _next_slot(slots, place, k)
        length = max((1.0 if following < 0 else slots[following]["fraction"]) - at, SECTION_MIN)
        slot = slots[k]
        slot["before"] = before
        _number_middles(line, slot)
        _assemble(line, slots, slot, first_length, length, work)
        _reduce(2 * line["n"], slot, work)
        _label(line, slots, slot)
        if following < 0:
            return k
        before, k, at = k, following, at + length


@kernel
def _next_slot(slots, place, k):  # type: ignore[no-untyped-def]
    """Next fault of the same line towards terminal 2, by fraction, then slot; -1 for none."""
    best = -1
    for m in range(slots.shape[0]):
        if slots[m]["is_in"] == 0 or slots[m]["place"] != place or m == k:
            continue
        at = slots[m]["fraction"]
        if k >= 0 and (at < slots[k]["fraction"] or (at == slots[k]["fraction"] and m < k)):
            continue
        if best < 0 or at < slots[best]["fraction"]:
            best = m
    return best


@kernel
def _number_middles(line, slot):  # type: ignore[no-untyped-def]
    count = line["n"]
    for c in range(line["n"]):
        slot["left"][c] = slot["right"][c] = c
    for phase in range(3):
        c = line["conductor"][phase]
        if c >= 0 and slot["is_open"][phase] != 0:
            slot["right"][c] = count
            count += 1
    slot["n_middle"] = count


@kernel
def _side(line, slot, c, which):  # type: ignore[no-untyped-def]
    """Middle node of a conductor on one side of the place; the fault is on the source side."""
    is_left = (line["is_reversed"] != 0) == (which == FAR_SIDE)
    return slot["left"][c] if is_left else slot["right"][c]


@kernel
def _assemble(line, slots, slot, first_length, length, block):  # type: ignore[no-untyped-def]
    """Fill the block over ends (terminal 1, then what follows) and middles behind them."""
    n, before = line["n"], slot["before"]
    block[: 2 * ENDS_MAX] = 0.0
    for r in range(2 * n):  # the left part: its far ends are the left middles
        i = r if r < n else 2 * n + slot["left"][r - n]
        for c in range(2 * n):
            j = c if c < n else 2 * n + slot["left"][c - n]
            if before >= 0:
                block[i, j] += slots[before]["y_line"][r, c]
            else:
                block[i, j] += _section(line["y"], n, r, c, first_length)
    for r in range(2 * n):  # the right section: its near ends are the right middles
        i = r if r >= n else 2 * n + slot["right"][r]
        for c in range(2 * n):
            j = c if c >= n else 2 * n + slot["right"][c]
            block[i, j] += _section(line["y"], n, r, c, length)
    for p in range(3):
        for q in range(3):
            i, j = line["conductor"][p], line["conductor"][q]
            if i >= 0 and j >= 0:
                row, column = _side(line, slot, i, SOURCE_SIDE), _side(line, slot, j, SOURCE_SIDE)
                block[2 * n + row, 2 * n + column] += slot["y"][p, q]


@kernel
def _section(y, n, r, c, length):  # type: ignore[no-untyped-def]
    """Entry of the block of a share of a line."""
    i, j = r % n, c % n
    series = -y[i, n + j] / length
    if r // n != c // n:
        return -series
    return series + (y[i, j] + y[i, n + j]) * length


@kernel
def _reduce(m, slot, work):  # type: ignore[no-untyped-def]
    """Eliminate the middles (Gauss, partial pivoting); leaves W and the reduced block in the slot."""
    n_mid, block, rows = slot["n_middle"], work, work[2 * ENDS_MAX :]
    width, largest = n_mid + m, 0.0
    for i in range(n_mid):
        for j in range(n_mid):
            rows[i, j] = block[m + i, m + j]
            largest = max(largest, abs(rows[i, j]))
        for e in range(m):
            rows[i, n_mid + e] = -block[m + i, e]
    for k in range(n_mid):
        pivot = k
        for i in range(k + 1, n_mid):
            if abs(rows[i, k]) > abs(rows[pivot, k]):
                pivot = i
        for j in range(k, width):
            rows[k, j], rows[pivot, j] = rows[pivot, j], rows[k, j]
        if not abs(rows[k, k]) > max(ISOLATED_S, ISOLATED * largest):
            rows[k, k:width] = 0.0
            rows[k, k] = 1.0
            continue
        for i in range(k + 1, n_mid):
            factor = rows[i, k] / rows[k, k]
            for j in range(k, width):
                rows[i, j] -= factor * rows[k, j]
    w, y = slot["to_middle"], slot["y_line"]
    for e in range(m):
        for i in range(n_mid - 1, -1, -1):
            x = rows[i, n_mid + e]
            for j in range(i + 1, n_mid):
                x -= rows[i, j] * w[j, e]
            w[i, e] = x / rows[i, i]
    for r in range(m):
        for c in range(m):
            x = block[r, c]
            for i in range(n_mid):
                x += block[r, m + i] * w[i, c]
            y[r, c] = x


@kernel
def _label(line, slots, slot):  # type: ignore[no-untyped-def]
    """Give ends (0..2n-1) and middles (2n..) equal labels where something joins them."""
    n, label, before = line["n"], slot["label"], slot["before"]
    size = 2 * n + slot["n_middle"]
    for i in range(size):
        label[i] = i
    for r in range(2 * n):
        i = r if r < n else 2 * n + slot["left"][r - n]
        for c in range(r):
            j = c if c < n else 2 * n + slot["left"][c - n]
            if before >= 0:
                is_joined = slots[before]["label"][r] == slots[before]["label"][c]
            else:
                is_joined = r - c == n
            if is_joined:
                _join(label, size, i, j)
    for c in range(n):
        _join(label, size, 2 * n + slot["right"][c], n + c)
    for p in range(3):
        for q in range(p):
            i, j = line["conductor"][p], line["conductor"][q]
            if i >= 0 and j >= 0 and slot["y"][p, q] != 0.0:
                row, column = _side(line, slot, i, SOURCE_SIDE), _side(line, slot, j, SOURCE_SIDE)
                _join(label, size, 2 * n + row, 2 * n + column)


@kernel
def _join(label, size, i, j):  # type: ignore[no-untyped-def]
    old, new = label[i], label[j]
    for k in range(size):
        if label[k] == old:
            label[k] = new


@kernel
def _exchange(ap, ai, ax, link, line, slot, n_nodes):  # type: ignore[no-untyped-def]
    """Take the line's normal block out of the matrix and put the reduced one in."""
    n, label = line["n"], slot["label"]
    for r in range(2 * n):
        for c in range(2 * n):
            i, j = line["node"][r], line["node"][c]
            if i >= n_nodes or j >= n_nodes:
                continue
            at, normal = position(ap, ai, i, j), line["y"][r, c]
            rest = ax[at] - normal
            if abs(rest) < RESIDUE * abs(normal):
                rest = 0.0j
            ax[at] = rest + slot["y_line"][r, c]
            if r != c:
                link[at] -= 1 if abs(r - c) == n else 0
                link[at] += 1 if label[r] == label[c] else 0


@kernel
def measure_line(v, live, line, slots, work):  # type: ignore[no-untyped-def]
    """Recover middle voltages on a line, and what its terminals carry otherwise than a healthy one's.

    Parameters
    ----------
    v, live : shape (n_nodes + 1,), shape (n_nodes,)
        Of the solution.
    """
    n, k = line["n"], line["last_slot"]
    ends, ends_live = work[3 * ENDS_MAX], work[2 * ENDS_MAX]
    for e in range(2 * n):
        node = line["node"][e]
        ends[e] = v[node]
        ends_live[e] = 1.0 if node < live.shape[0] and live[node] != 0 else 0.0
    last = slots[k]
    for r in range(2 * n):
        current = 0.0j
        for c in range(2 * n):
            current += (last["y_line"][r, c] - line["y"][r, c]) * ends[c]
        last["i_change"][r] = current
    while k >= 0:
        _measure_slot(line, slots[k], ends, ends_live, work[2 * ENDS_MAX + 1], work[2 * ENDS_MAX + 2])
        k = slots[k]["before"]


@kernel
def _measure_slot(line, slot, ends, ends_live, middle, middle_live):  # type: ignore[no-untyped-def]
    """Voltages at one place from those at its ends, which then become its left middles'."""
    n = line["n"]
    for i in range(slot["n_middle"]):
        middle[i] = middle_live[i] = 0.0
        for e in range(2 * n):
            middle[i] += slot["to_middle"][i, e] * ends[e]
            if ends_live[e] != 0.0 and slot["label"][e] == slot["label"][2 * n + i]:
                middle_live[i] = 1.0
    slot["is_live"] = 0
    for phase in range(3):
        c = line["conductor"][phase]
        if c < 0:
            continue
        side = _side(line, slot, c, SOURCE_SIDE)
        slot["v"][phase] = middle[side]
        slot["v_far"][phase] = middle[_side(line, slot, c, FAR_SIDE)]
        if slot["phases"] & (1 << phase) and middle_live[side] != 0.0:
            slot["is_live"] = 1
    for c in range(n):
        ends[n + c] = middle[slot["left"][c]]
        ends_live[n + c] = middle_live[slot["left"][c]]
