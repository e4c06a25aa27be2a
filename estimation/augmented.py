"""Weighted least squares with exact constraints as one augmented system (Hachtel's form).

With residuals r = z - h(x), weights 1/sigma^2 and constraints C x = 0 a Gauss-Newton step solves::

    [ I       0    Hs  ] [ s  ]   [ r/sigma ]        Hs = H/sigma, s = weighted residual after the step
    [ 0       0    C   ] [ nu ] = [ -C x    ]
    [ Hs^T   C^T  -eps ] [ dx ]   [ 0       ]

Squaring H (normal equations), or exact relations as very accurate measurements, loses all digits in
distribution networks; this form does not (A. Gjelsvik, S. Aam, L. Holten, IEEE Trans. PAS-104(11), 1985).
eps damps nothing that can be seen: it only keeps unobservable directions finite (Levenberg-Marquardt: the
solution does not depend on it).

The top left block of the inverse is the covariance of the weighted residuals, Omega = I - Hs G^-1 Hs^T, the
bottom right one the negative covariance of the states (E. Handschin et al., IEEE Trans. PAS-94(2), 1975).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import scipy.sparse.linalg as spl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EPS = 1e-6
"""Damping of the steps [1/pu^2], see above: directions less certain than 1/sqrt(EPS) = 1000 pu."""
CHUNK = 16
"""Right-hand sides solved at once: SuperLU takes 5 times as long for each of 64 as for each of 16."""


class SingularError(ArithmeticError):
    """The system has no solution: constraints contradict or repeat each other."""


class Augmented:
    """The augmented system over a fixed pattern of H and C.

    Parameters
    ----------
    pattern : csr_array, shape (m, n)
        Where H may have entries; its data do not matter.
    exact : csr_array, shape (p, n)
        C.
    """

    def __init__(self, pattern: sp.csr_array, exact: sp.csr_array) -> None:
        self.m, self.n = pattern.shape
        self.p = exact.shape[0]
        self.exact = exact
        rows = np.repeat(np.arange(self.m), np.diff(pattern.indptr))
        columns = pattern.indices + self.m + self.p
        c = sp.coo_array(exact)
        c_rows, c_columns = c.coords[0] + self.m, c.coords[1] + self.m + self.p
        one, state = np.arange(self.m), self.m + self.p + np.arange(self.n)
        i = np.concatenate([one, rows, columns, c_rows, c_columns, state])
        j = np.concatenate([one, columns, rows, c_columns, c_rows, state])
        size = self.m + self.p + self.n
        tags = sp.coo_array((np.arange(1.0, len(i) + 1.0), (i, j)), shape=(size, size)).tocsc()
        self._order = tags.data.astype(np.int64) - 1
        self._indices, self._indptr, self._size = tags.indices, tags.indptr, size
        self._row_of = rows
        self._tail = np.concatenate([c.data, c.data, np.full(self.n, -EPS)])
        self._lu: spl.SuperLU | None = None
        self.pattern = pattern
        self.h_data = np.zeros(len(rows))
        self.sigma = np.ones(self.m)

    @property
    def is_factored(self) -> bool:
        """Tell whether there is a factor to solve with."""
        return self._lu is not None

    def factor(self, h_data: Floats, sigma: Floats) -> None:
        """Factor with these derivatives (data of the pattern) and standard deviations (inf: left out).

        Raises
        ------
        SingularError
        """
        self.h_data, self.sigma = h_data.copy(), sigma.copy()
        hs = h_data / sigma[self._row_of]
        data = np.concatenate([np.ones(self.m), hs, hs, self._tail])[self._order]
        k = sp.csc_array((data, self._indices, self._indptr), shape=(self._size, self._size))
        try:
            self._lu = spl.splu(k, permc_spec="COLAMD")
        except RuntimeError as error:
            self._lu = None
            raise SingularError(str(error)) from None

    def forget(self) -> None:
        """Drop the factor."""
        self._lu = None

    def transposed_times(self, h_data: Floats, multiplier: Floats) -> Floats:
        """Return H^T times multipliers for derivatives over the pattern, shape (n,)."""
        weights = h_data * multiplier[self._row_of]
        return np.bincount(self.pattern.indices, weights=weights, minlength=self.n).astype(np.float64)

    def solve(self, top: Floats, middle: Floats, bottom: Floats) -> tuple[Floats, Floats]:
        """Return (s, dx) for a right-hand side."""
        assert self._lu is not None
        found = self._lu.solve(np.concatenate([top, middle, bottom]))
        return found[: self.m], found[self.m + self.p :]

    def omega_columns(self, which: Ints) -> Floats:
        """Return columns of Omega, shape (m, len(which)): how residuals answer to errors, in sigmas."""
        assert self._lu is not None
        found = np.empty((self.m, len(which)))
        for begin in range(0, len(which), CHUNK):
            part = which[begin : begin + CHUNK]
            b = np.zeros((self._size, len(part)))
            b[part, np.arange(len(part))] = 1.0
            found[:, begin : begin + len(part)] = self._lu.solve(b)[: self.m]
        return found

    def omega_diagonal(self) -> Floats:
        """Return the diagonal of Omega, shape (m,): 0 for a critical measurement, 1 for one left out."""
        found = np.empty(self.m)
        for begin in range(0, self.m, CHUNK):
            part = np.arange(begin, min(begin + CHUNK, self.m))
            found[part] = self.omega_columns(part)[part, np.arange(len(part))]
        return found

    def covariance_columns(self, functionals: Floats) -> Floats:
        """Return the covariance of the states times real functionals, both shape (n, k)."""
        assert self._lu is not None
        found = np.empty_like(functionals)
        for begin in range(0, functionals.shape[1], CHUNK):
            part = functionals[:, begin : begin + CHUNK]
            b = np.zeros((self._size, part.shape[1]))
            b[self.m + self.p :] = part
            found[:, begin : begin + CHUNK] = -self._lu.solve(b)[self.m + self.p :]
        return found
