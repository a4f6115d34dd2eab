"""Which member of a student wins, and whether its teacher helps, in simulated cohorts where that is known beforehand.

The table of docs/recipes.md has these numbers.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig, make_row
from cch_omics.data.assemble import assemble
from cch_omics.data.mudata import from_mudata
from cch_omics.data.simulate import draw
from cch_omics.data.simulate.cohorts import PRIORS, SIMULATED, Channel, Simulated
from cch_omics.models.distil import teaching
from cch_omics.models.encode import encode
from cch_omics.models.ensemble import fit_ensembles
from cch_omics.models.out_of_fold import Model
from cch_omics.models.training_sets import training_sets
from cch_omics.splits import make_splits

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
SPLITS, ENCODER, DISTILLATION = SplitsConfig(repeats=1, folds=3, inner_folds=3), EncoderConfig(), DistillationConfig()
SOFT = {"weight": DISTILLATION.weight, "temperature": DISTILLATION.temperature}
NETWORK, LINEAR, SCREENED, AVERAGE = range(4)
CHANCE = -float(np.array(PRIORS) @ np.log(PRIORS))


def spread(cohort: Simulated) -> Simulated:
    """The same information in cnv, of which every feature shows a little."""
    channels: dict[str, Channel] = cohort.modalities
    return replace(cohort, modalities=channels | {"cnv": replace(channels["cnv"], carriers=0)})


CASES = {
    "focal": (SIMULATED["focal"], "cnv", "rna"),
    "broad": (spread(SIMULATED["focal"]), "cnv", "rna"),
    "misleading": (SIMULATED["misleading"], "rna", "mutation"),
    "unrelated": (SIMULATED["unrelated"], "cnv", "rna"),
}


@cache
def losses(case: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2, 4) log-loss on test patients and (2, 3) weights, of students alone and taught: of members, and their average.

    Means of two cohorts and three outer splits of each.
    """
    simulated, student, teacher = CASES[case]
    found, weights = [], []
    for seed in range(2):
        source = from_mudata(draw(simulated, np.random.default_rng(seed)), case, ())
        row = make_row({"cohort": case, "source": case, "target": simulated.target}, case)
        cohort, _ = assemble(source, row, splits=SPLITS)
        splits = make_splits(cohort, SPLITS, seed=0)
        encodings = {teacher: encode(cohort, splits, teacher, ENCODER, seed=0, device=CPU)}
        model, values = Model("soft_targets", teacher), cohort.target.values
        for s in range(splits.full):
            sets = training_sets(cohort, splits, s, student, ENCODER, seed=0, device=CPU)
            taught = teaching(encodings, [model], splits, s, sets, DISTILLATION, seed=0)
            tested = sets.predicted[-1] & cohort.target.observed[sets.rows]
            for by in (None, [taught]):
                (fitted,) = fit_ensembles([sets], ENCODER, by, **SOFT)
                members = (fitted.networks.predict(sets.inputs), *(each.predicted for each in fitted.linear))
                outputs = np.stack([*members, fitted.predicted])[:, -1, 0][:, tested]
                found.append(sets.task.loss(outputs, values[sets.rows[tested]]).mean(1))
                weights.append(fitted.weights[-1, 0])
    return np.array(found).reshape(-1, 2, 4).mean(0), np.array(weights).reshape(-1, 2, 3).mean(0)


@pytest.mark.parametrize("taught", [0, 1])
def test_a_focal_signal_is_found_by_the_member_that_screens(taught: int) -> None:
    loss, weight = losses("focal")
    assert loss[taught, SCREENED] < loss[taught, [NETWORK, LINEAR]].min() - 0.05
    assert weight[taught].argmax() == SCREENED
    assert loss[taught, AVERAGE] < loss[taught, [NETWORK, LINEAR]].min() - 0.02


@pytest.mark.parametrize("taught", [0, 1])
def test_the_same_signal_in_all_features_is_lost_by_it(taught: int) -> None:
    loss, weight = losses("broad")
    assert loss[taught, SCREENED] > loss[taught, [NETWORK, LINEAR]].max() + 0.05
    assert weight[taught].argmin() == SCREENED
    assert loss[taught, AVERAGE] < loss[taught, :AVERAGE].min() + 0.02


def test_a_good_teacher_helps_every_member_and_a_harmful_one_harms_every_member() -> None:
    for case in ("focal", "broad"):
        alone, taught = losses(case)[0]
        assert (taught < alone).all()
    alone, taught = losses("misleading")[0]
    assert (taught > alone + 0.2).all()


def test_shared_variation_that_the_label_does_not_need_teaches_nothing() -> None:
    alone, taught = losses("unrelated")[0]
    assert (np.abs(taught - alone) < 0.02).all()
    assert (alone > CHANCE - 0.03).all()
