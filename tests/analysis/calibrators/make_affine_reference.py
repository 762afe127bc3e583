#!/usr/bin/env python3
"""Writes affine_reference.json: expected values of vector and matrix scaling and of Dirichlet
calibration, without and with the ODIR penalty.

Nothing here is our code: SciPy's L-BFGS-B minimises the objective as the papers write it (Guo et
al. 2017; Kull et al. 2019, eq. 5), Newton steps by NumPy's least squares take the gradient to
rounding, and ln p is SciPy's log_softmax. Logits are multiples of 1/64, which float32 and JSON hold
exactly. The tests read the committed file and need no Python.

    python3 -m venv venv && venv/bin/pip install numpy scipy
    venv/bin/python tests/analysis/calibrators/make_affine_reference.py
"""
import json
import pathlib

import numpy as np
import scipy
import scipy.optimize
from scipy.special import log_softmax, softmax

rng = np.random.default_rng(20261127)


def draw(n, k):
    """64 times the logits [n, k], whole numbers, and labels drawn from the softmax of a blend."""
    z64 = np.rint(64 * (1.5 * rng.standard_normal((n, k)) + 0.15 * np.arange(k))).astype(int)
    p = softmax(rng.uniform(0.2, 0.8) * z64 / 64, axis=1)
    return z64, np.array([rng.choice(k, p=row) for row in p])


class Objective:
    """Mean NLL of softmax(W f + b), plus lambda / (K (K - 1)) sum of squared off-diagonal W and
    mu / K sum of squared b; W diagonal for vector scaling. Parameters: [W row by row, b]."""

    def __init__(self, f, y, diagonal, lam, mu):
        self.f, self.y, self.diagonal = f, y, diagonal
        n, k = f.shape
        self.n, self.k = n, k
        self.ridge = np.concatenate([(lam / (k * (k - 1)) * (1 - np.eye(k))).ravel(),
                                     np.full(k, mu / k)])
        # Rows of this matrix: how the weights in use enter the full [W, b].
        use = np.eye(k).ravel() if diagonal else np.ones(k * k)
        self.embed = np.eye(k * k + k)[np.concatenate([use, np.ones(k)]) > 0]
        # d scores / d [W, b]: scores_c = sum_j W_cj f_j + b_c.
        self.design = np.zeros((n, k, k * k + k))
        for c in range(k):
            self.design[:, c, c * k:(c + 1) * k] = f
            self.design[:, c, k * k + c] = 1

    def scores(self, x):
        return self.design @ (x @ self.embed)

    def value_and_gradient(self, x):
        full = x @ self.embed
        s = self.design @ full
        r = softmax(s, axis=1)
        r[np.arange(self.n), self.y] -= 1
        nll = -log_softmax(s, axis=1)[np.arange(self.n), self.y].mean()
        gradient = np.einsum("nc,ncd->d", r, self.design) / self.n + 2 * self.ridge * full
        return nll + (self.ridge * full**2).sum(), self.embed @ gradient

    def hessian(self, x):
        q = softmax(self.scores(x), axis=1)
        weighted = np.einsum("nc,ncd->nd", q, self.design)
        full = np.einsum("nc,ncd,nce->de", q, self.design, self.design) - weighted.T @ weighted
        return self.embed @ (full / self.n + np.diag(2 * self.ridge)) @ self.embed.T

    def minimum(self):
        start = np.concatenate([np.eye(self.k).ravel(), np.zeros(self.k)]) @ self.embed.T
        found = scipy.optimize.minimize(self.value_and_gradient, start, jac=True, method="L-BFGS-B",
                                        options={"maxiter": 20000, "maxfun": 40000, "ftol": 1e-16,
                                                 "gtol": 1e-10})
        x = found.x
        for _ in range(8):
            x = x - np.linalg.lstsq(self.hessian(x), self.value_and_gradient(x)[1], rcond=1e-11)[0]
        value, gradient = self.value_and_gradient(x)
        if np.abs(gradient).max() > 1e-13 or np.abs(x).max() > 60:
            return None  # no minimiser, or one that double precision does not reach
        assert value <= found.fun + 1e-12
        return x


def case(kind):
    k = int(rng.choice([2, 3] if kind in ("vector", "matrix") else [2, 3, 4]))
    z64, y = draw(int(rng.integers(12 * k, 20 * k)), k)
    if len(set(y)) < k:
        return None
    # Half of the penalised cases with the penalties that are the default for that K.
    lam, mu = 0.0, 0.0
    if kind in ("matrix-odir", "dirichlet"):
        usual = rng.random() < 0.5
        lam = 0.25 * k * (k - 1) if usual else float(np.round(np.exp(rng.uniform(-5, 1)), 4))
        mu = 1e-3 * k if usual else float(np.round(np.exp(rng.uniform(-8, 0)), 5))
    z = z64 / 64
    f = log_softmax(z, axis=1) if kind == "dirichlet" else z
    objective = Objective(f, y, kind == "vector", lam, mu)
    x = objective.minimum()
    if x is None:
        return None
    s = objective.scores(x)
    return {"kind": kind, "k": k, "z64": z64.ravel().tolist(), "labels": y.tolist(), "lambda": lam,
            "mu": mu, "nll": float(-log_softmax(s, axis=1)[np.arange(len(y)), y].mean()),
            "p": np.round(softmax(s, axis=1)[:4].ravel(), 10).tolist()}


def cases(kind, wanted):
    made = []
    while len(made) < wanted:
        found = case(kind)
        if found:
            made.append(found)
    return made


reference = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
    "affine": [c for kind in ("vector", "matrix", "matrix-odir", "dirichlet")
               for c in cases(kind, 200)],
}
path = pathlib.Path(__file__).parent / "affine_reference.json"
path.write_text(json.dumps(reference, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, "bytes")
