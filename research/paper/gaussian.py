"""Joint Gaussian data: a student, teachers, a label, and the exact gaps of all of them.

Four independent standard normal factors: `signal`, which the label, the student and teachers may see; `own`, of the
label and the student; `beyond`, of the label and teachers; `nuisance`, of the student and teachers. A view with
loadings c has p features, and the label has variance one:

    x = sum_f c_f f a_f + e,   a_f orthonormal in R^p, e standard normal;       y = sum_f b_f f + noise

A class is whether y is positive.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, xlogy

from cch_omics.tasks.classification import Classification
from cch_omics.tasks.regression import Regression
from cch_omics.views import members
from research.paper.experiment import Draw, make_draw
from research.theory.model import gaussian_information

Floats = NDArray[np.float64]
FACTORS = ("signal", "own", "beyond", "nuisance")
FEATURES = 10
LABEL = {"signal": 0.6, "own": 0.3, "beyond": 0.4}
TASKS = ("regression", "classes")
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


@dataclass(frozen=True)
class World:
    """Views by name, each by its loadings on factors; `student` is one."""

    views: Mapping[str, Mapping[str, float]]

    def loadings(self) -> tuple[Floats, dict[str, list[int]]]:
        """(q, factors) of all features and, last, the label; and the positions of each view's features."""
        blocks, place = [], {}
        axes = np.eye(FEATURES)[:, : len(FACTORS)]
        for number, (name, of) in enumerate(self.views.items()):
            blocks.append(axes * np.array([of.get(factor, 0.0) for factor in FACTORS]))
            place[name] = list(range(number * FEATURES, (number + 1) * FEATURES))
        label = np.array([[LABEL.get(factor, 0.0) for factor in FACTORS]])
        return np.concatenate([*blocks, label]), place

    def exact(self, teacher: str, task: str) -> dict[str, float]:
        """The information that decides, of a view as teacher of `student`, in nats.

        Returns
        -------
        dict
            `exact_gap`, I(T;S) - I(S;Y) of the features; `exact_gap_output`, with the best outputs E[y|t] and E[y|x] in
            place of T and S, which leaves I(S;Y) as it is; `exact_advantage`, I(T;Y) - I(S;Y).
        """
        loadings, place = self.loadings()
        noise = np.append(np.ones(len(loadings) - 1), 1 - np.square(loadings[-1]).sum())
        k = loadings @ loadings.T + np.diag(noise)
        x, t = place["student"], [row for name in members(teacher) for row in place[name]]
        y = len(k) - 1
        explained, best = {}, {}
        for name, rows in (("x", x), ("t", t)):
            best[name] = np.zeros(len(k))
            best[name][rows] = np.linalg.solve(k[np.ix_(rows, rows)], k[rows, y])
            explained[name] = float(best[name] @ k[:, y])
        if min(explained.values()) < 1e-12:
            shared_output = 0.0
        else:
            correlation = best["x"] @ k @ best["t"] / np.sqrt(explained["x"] * explained["t"])
            shared_output = -0.5 * np.log1p(-(correlation**2))
        of_label = {name: label_information(share, task) for name, share in explained.items()}
        return {
            "exact_gap": gaussian_information(k, t, x) - of_label["x"],
            "exact_gap_output": float(shared_output) - of_label["x"],
            "exact_advantage": of_label["t"] - of_label["x"],
        }

    def draw(self, task: str, n_train: int, n_test: int, *, seed: int, folds: int = 3) -> Draw:
        """A draw, with axes of its own for each view."""
        random = np.random.default_rng([seed, n_train, TASKS.index(task)])
        n = n_train + n_test
        loadings, place = self.loadings()
        factors = random.standard_normal((n, len(FACTORS)))
        y = factors @ loadings[-1] + np.sqrt(1 - np.square(loadings[-1]).sum()) * random.standard_normal(n)
        views = {}
        for name, rows in place.items():
            turn = np.linalg.qr(random.standard_normal((FEATURES, FEATURES)))[0]
            views[name] = (factors @ loadings[rows].T + random.standard_normal((n, FEATURES))) @ turn
        if task == "classes":
            label, values = Classification(("low", "high")), (y > 0).astype(np.float64)
            return make_draw(views, label, values, n_train, seed=seed, folds=folds)
        return make_draw(views, Regression.of(y[:n_train]), y, n_train, seed=seed, folds=folds)


def label_information(explained: float, task: str) -> float:
    """I(S;Y) in nats, where S explains a share of the variance of y; of whether y > 0, by quadrature."""
    if task == "regression":
        return float(-0.5 * np.log1p(-explained))
    p = ndtr(np.sqrt(explained / (1 - explained)) * NODES)
    entropy = -(xlogy(p, p) + xlogy(1 - p, 1 - p))
    return float(np.log(2) - WEIGHTS @ entropy / WEIGHTS.sum())
