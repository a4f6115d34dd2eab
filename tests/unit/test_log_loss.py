"""The advantage by held-out log-loss: a known truth, its error, and what it must not depend on."""

import numpy as np
import pytest
from scipy.special import log_softmax

from cch_omics.criteria.log_loss import MISFIT_WEIGHT, held_out_losses, pooled_losses


def advantage(*arguments):
    return held_out_losses(*arguments).advantage()


def benefit(*arguments):
    return held_out_losses(*arguments).benefit()


def views(n: int, seed: int = 0, *, strong: float = 1.5, weak: float = 0.5):
    """Posteriors of two Gaussian views of a class with independent noise, five folds, patients of one sample."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    sign = 2 * labels - 1
    logits = [np.stack([np.zeros(n), 2 * a * (a * sign + rng.normal(size=n))], axis=1) for a in (strong, weak)]
    return (*logits, labels, rng.permutation(n) % 5, np.arange(n))


def known(a: float) -> float:
    """I(X;Y) of x = a y + noise, y = +-1, nats: log 2 - E log(1 + exp(-2 a (a + e)))."""
    e, weight = np.polynomial.hermite_e.hermegauss(80)
    return float(np.log(2) - (np.logaddexp(0, -2 * a * (a + e)) * weight).sum() / weight.sum())


def test_it_is_the_difference_of_two_known_mutual_informations():
    value, se = advantage(*views(6000))
    assert value == pytest.approx(known(1.5) - known(0.5), abs=4 * se)
    assert se < 0.02


def test_information_of_one_view_is_known_too():
    strong, weak, *rest = views(6000)
    for logits, a in ((strong, 1.5), (weak, 0.5)):
        value, se = held_out_losses(logits, logits, *rest).teacher_label()
        assert value == pytest.approx(known(a), abs=4 * se)
    # The advantage is their difference: the frequencies of the classes cancel.
    difference = np.subtract(*(held_out_losses(each, each, *rest).teacher_label()[0] for each in (strong, weak)))
    assert difference == pytest.approx(advantage(strong, weak, *rest)[0], abs=1e-12)


def test_benefit_is_what_the_teacher_adds_less_a_part_of_what_it_lacks():
    # Views of independent noise, so that both together are one view of sqrt(1.5^2 + 0.5^2).
    strong, weak, *rest = views(6000)
    both = known(np.hypot(1.5, 0.5))
    value, se = benefit(strong, weak, *rest)
    assert value == pytest.approx(both - known(0.5) - MISFIT_WEIGHT * (both - known(1.5)), abs=4 * se)
    back, back_se = benefit(weak, strong, *rest)
    assert back == pytest.approx(both - known(1.5) - MISFIT_WEIGHT * (both - known(0.5)), abs=4 * back_se)
    assert back < 0 < value
    # A teacher that is the student over again adds nothing and lacks nothing.
    assert abs(benefit(weak, weak, *rest)[0]) < 0.005
    found = np.array([benefit(*views(150, seed)) for seed in range(200)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(ddof=1), rel=0.25)


def test_teacher_and_student_changed_round_change_the_sign():
    strong, weak, *rest = views(120)
    forth, back = advantage(strong, weak, *rest), advantage(weak, strong, *rest)
    assert forth[0] == pytest.approx(-back[0], abs=1e-12)
    assert forth[1] == pytest.approx(back[1], abs=1e-12)


def test_its_standard_error_is_its_spread_over_cohorts():
    found = np.array([advantage(*views(150, seed)) for seed in range(200)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(ddof=1), rel=0.25)


def test_samples_of_one_patient_count_as_one():
    strong, weak, labels, fold, groups = views(100)
    twice = [np.concatenate([each, each]) for each in (strong, weak, labels, fold)]
    single = advantage(strong, weak, labels, fold, groups)
    # Each patient twice, in the same fold: pools differ a little, being fitted to more samples.
    together = advantage(*twice, np.concatenate([groups, groups]))
    apart = advantage(*twice, np.arange(200))
    assert together[1] == pytest.approx(single[1], rel=0.1)
    assert apart[1] == pytest.approx(single[1] / np.sqrt(2), rel=0.1)


def test_permuted_labels_give_no_advantage():
    strong, weak, labels, fold, groups = views(400)
    value, se = advantage(strong, weak, np.random.default_rng(1).permutation(labels), fold, groups)
    assert abs(value) < 3 * se


def test_logits_on_another_scale_are_brought_to_the_same():
    strong, weak, *rest = views(2000)
    assert advantage(3 * strong, weak, *rest)[0] == pytest.approx(advantage(strong, weak, *rest)[0], abs=0.01)


def test_a_sample_is_not_judged_by_a_pool_that_saw_its_label():
    strong, _, labels, fold, _ = views(60)
    logp = log_softmax(strong, axis=-1)[..., None]
    before = pooled_losses(logp, labels, fold)
    flipped = labels.copy()
    flipped[fold == 0] = 1 - flipped[fold == 0]
    after = pooled_losses(logp, flipped, fold)
    # The losses under both labels are of one distribution: exp(-a) + exp(-b) = 1.
    assert np.exp(-before[fold == 0]) + np.exp(-after[fold == 0]) == pytest.approx(1)


def test_too_few_patients():
    nothing = np.zeros((0, 2)), np.zeros((0, 2)), *[np.zeros(0, dtype=np.int64)] * 3
    assert np.isnan(advantage(*nothing)).all()
    one = np.zeros((1, 2)), np.zeros((1, 2)), *[np.zeros(1, dtype=np.int64)] * 3
    value, se = advantage(*one)
    assert value == 0
    assert np.isnan(se)
