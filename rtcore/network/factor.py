"""Complex-symmetric sparse L D L^T on a fixed pattern: ordered once, refactored in place.

Up-looking factorisation along the elimination tree (T. A. Davis, Direct Methods for Sparse
Linear Systems, SIAM 2006, chapter 4), with plain transpose and no pivoting: nodal admittance
matrices with a small shunt at every node need none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from rtcore.jit import fast_kernel, kernel

PIVOT_MIN = 1e-16
"""Smallest pivot accepted [S]; below it (or NaN) the pivot is replaced and counted."""

Complex = npt.NDArray[np.complex128]
Ints = npt.NDArray[np.int32]


class Factor(NamedTuple):
    """A symmetric matrix (full pattern, CSC, sorted) and its factors; updated in place."""

    ap: Ints
    ai: Ints
    ax: Complex
    parent: Ints
    lp: Ints
    li: Ints
    lx: Complex
    d_inv: Complex
    work: Complex
    path: Ints
    mark: Ints
    fill: Ints


def order(pattern: sp.csc_array) -> Ints:
    """Return a fill-reducing elimination order (minimum degree on A + A^T)."""
    n = pattern.shape[0]
    unit = sp.csc_matrix((np.ones(pattern.nnz), pattern.indices, pattern.indptr), shape=(n, n))
    well_posed = sp.csc_matrix(unit + 1000.0 * n * sp.identity(n))
    lu = spl.splu(
        well_posed, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    candidates = [np.argsort(lu.perm_c), np.asarray(lu.perm_c)]
    return min(candidates, key=lambda p: fill_of(pattern, p)).astype(np.int32)


def fill_of(pattern: sp.csc_array, perm: npt.NDArray[np.integer]) -> int:
    """Return the number of entries below the diagonal of L under an elimination order."""
    b = sp.csc_array(pattern[perm][:, perm])
    b.sort_indices()
    return int(_symbolic(b.shape[0], b.indptr.astype(np.int32), b.indices.astype(np.int32))[1][-1])


def make_factor(pattern: sp.csc_array) -> Factor:
    """Allocate a factor for a pattern that is already in elimination order."""
    n = pattern.shape[0]
    ap, ai = pattern.indptr.astype(np.int32), pattern.indices.astype(np.int32)
    parent, lp = _symbolic(n, ap, ai)
    nnz_l = int(lp[-1])
    return Factor(
        ap=ap,
        ai=ai,
        ax=np.zeros(len(ai), np.complex128),
        parent=parent,
        lp=lp,
        li=np.zeros(nnz_l, np.int32),
        lx=np.zeros(nnz_l, np.complex128),
        d_inv=np.zeros(n, np.complex128),
        work=np.zeros(n, np.complex128),
        path=np.zeros(n, np.int32),
        mark=np.zeros(n, np.int32),
        fill=np.zeros(n, np.int32),
    )


@kernel
def _symbolic(n, ap, ai):  # type: ignore[no-untyped-def]
    """Elimination tree and column starts of L."""
    parent = np.full(n, -1, np.int32)
    mark = np.full(n, -1, np.int32)
    count = np.zeros(n, np.int32)
    for k in range(n):
        mark[k] = k
        for p in range(ap[k], ap[k + 1]):
            i = ai[p]
            while i < k and mark[i] != k:
                if parent[i] < 0:
                    parent[i] = k
                count[i] += 1
                mark[i] = k
                i = parent[i]
    lp = np.zeros(n + 1, np.int32)
    lp[1:] = np.cumsum(count)
    return parent, lp


@kernel
def position(ap, ai, i, j):  # type: ignore[no-untyped-def]
    """Index of entry (i, j) in the value array; -1 when it is not in the pattern."""
    low, high = ap[j], ap[j + 1] - 1
    while low <= high:
        middle = (low + high) // 2
        if ai[middle] == i:
            return middle
        if ai[middle] < i:
            low = middle + 1
        else:
            high = middle - 1
    return -1


@fast_kernel
def refactor(f):  # type: ignore[no-untyped-def]
    """Factor ``f.ax`` anew; returns the number of pivots that had to be replaced."""
    ap, ai, ax, parent, lp, li, lx = f.ap, f.ai, f.ax, f.parent, f.lp, f.li, f.lx
    d_inv, y, path, mark, count = f.d_inv, f.work, f.path, f.mark, f.fill
    n, bad = d_inv.shape[0], 0
    for k in range(n):
        mark[k] = -1
        count[k] = 0
        y[k] = 0.0
    for k in range(n):
        top = n
        mark[k] = k
        for p in range(ap[k], ap[k + 1]):
            i = ai[p]
            if i > k:
                break
            y[i] += ax[p]
            m = 0
            while mark[i] != k:
                path[m] = i
                m += 1
                mark[i] = k
                i = parent[i]
            while m > 0:
                m -= 1
                top -= 1
                path[top] = path[m]
        d = y[k]
        y[k] = 0.0
        for t in range(top, n):
            i = path[t]
            yi = y[i]
            y[i] = 0.0
            end = lp[i] + count[i]
            for p in range(lp[i], end):
                y[li[p]] -= lx[p] * yi
            l_ki = yi * d_inv[i]
            d -= l_ki * yi
            li[end] = k
            lx[end] = l_ki
            count[i] += 1
        if not abs(d) > PIVOT_MIN:  # "not >" also counts NaN
            bad += 1
            d = complex(PIVOT_MIN, 0.0)
        d_inv[k] = 1.0 / d
    return bad


@fast_kernel
def solve(f, x):  # type: ignore[no-untyped-def]
    """Solve in place: x becomes A^-1 x (``x`` may be longer than the matrix)."""
    lp, li, lx, d_inv = f.lp, f.li, f.lx, f.d_inv
    n = d_inv.shape[0]
    for j in range(n):
        xj = x[j]
        for p in range(lp[j], lp[j + 1]):
            x[li[p]] -= lx[p] * xj
    for j in range(n - 1, -1, -1):
        s = x[j] * d_inv[j]
        for p in range(lp[j], lp[j + 1]):
            s -= lx[p] * x[li[p]]
        x[j] = s
