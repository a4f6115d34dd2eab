"""The rivals of the criterion: closed forms, invariances, and labels that mean nothing."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import multivariate_normal
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from research.rivals import RIVALS
from research.rivals.accuracy import teacher_accuracy
from research.rivals.bias_variance import excess_risk, expected_gain, left_out_ridge
from research.rivals.cka import cka, debiased_cka
from research.rivals.conditional import (
    MISFIT_WEIGHT,
    advantage,
    benefit,
    held_out_losses,
    minus_student_given_teacher,
    teacher_given_student,
)
from research.rivals.decomposition import redundancy, specific_information, unique_information
from research.rivals.logme import evidence, logme
from research.rivals.modality_focusing import between_class_share, left_out_r2, modality_focusing
from research.rivals.pair import Pair

Floats = NDArray[np.float64]
C = 3


def make_pair(seed: int = 0, *, n: int = 400, teacher: float = 2.0, student: float = 1.0, budget: float = 1.0) -> Pair:
    """Teacher and student see the label under independent noise, and each other through a shared nuisance."""
    random = np.random.default_rng(seed)
    labels = random.integers(C, size=n)
    nuisance = random.normal(size=(n, 2))

    def view(strength: float) -> tuple[Floats, Floats]:
        logits = strength * np.eye(C)[labels] + random.normal(size=(n, C))
        mixing = random.normal(size=(C + 2, 6))
        units = np.tanh(np.hstack([logits, nuisance]) @ mixing / 3 + 0.1 * random.normal(size=(n, 6)))
        # The posterior of Gaussian noise with unit variance: well calibrated.
        return units, strength * logits

    (t, t_logits), (s, s_logits) = view(teacher), view(student)
    known = np.where(random.random(n) < budget, labels, -1)
    fold = np.arange(n) % 5
    return Pair(t, s, t_logits, s_logits, known, fold, int((known >= 0).sum()))


def swapped(pair: Pair) -> Pair:
    return replace(
        pair,
        teacher_representation=pair.student_representation,
        student_representation=pair.teacher_representation,
        teacher_logits=pair.student_logits,
        student_logits=pair.teacher_logits,
    )


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("budget", [1.0, 0.15])
def test_a_score_does_not_depend_on_the_order_of_samples_nor_on_the_names_of_classes(name: str, budget: float) -> None:
    score = RIVALS[name].score
    pair = make_pair(budget=budget)
    order = np.random.default_rng(1).permutation(len(pair.labels))
    turned = [1, 2, 0]  # column c of the new logits is class turned[c]
    renamed = replace(
        pair,
        teacher_representation=pair.teacher_representation[order],
        student_representation=pair.student_representation[order],
        teacher_logits=pair.teacher_logits[order][:, turned],
        student_logits=pair.student_logits[order][:, turned],
        labels=np.where(pair.labels[order] < 0, -1, np.argsort(turned)[pair.labels[order]]),
        fold=pair.fold[order],
    )
    assert np.isfinite(score(pair))
    assert score(renamed) == pytest.approx(score(pair), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "cka"])
def test_without_labels_there_is_no_score(name: str) -> None:
    score = RIVALS[name].score
    pair = make_pair()
    assert np.isnan(score(replace(pair, labels=np.full_like(pair.labels, -1))))


@pytest.mark.parametrize(
    "score",
    [advantage, teacher_given_student, minus_student_given_teacher, benefit, logme],
)
def test_the_better_teacher_has_the_higher_score(score: Callable[[Pair], float]) -> None:
    pair = make_pair()
    assert score(pair) > score(swapped(pair))


def test_with_permuted_labels_nothing_is_known_of_them() -> None:
    values: dict[str, list[float]] = {}
    for seed in range(12):
        pair = make_pair(seed)
        random = np.random.default_rng(100 + seed)
        pair = replace(pair, labels=random.permutation(pair.labels))
        for score in (teacher_accuracy, teacher_given_student, minus_student_given_teacher, logme, unique_information):
            values.setdefault(score.__name__, []).append(score(pair))
    # An expert that knows nothing costs the fit of its weight; counted frequencies are biased upwards, by 4 / 2n each.
    assert np.mean(values["teacher_accuracy"]) == pytest.approx(0, abs=0.03)
    assert -0.01 < np.mean(values["teacher_given_student"]) < 0.002
    assert -0.002 < np.mean(values["minus_student_given_teacher"]) < 0.01
    assert np.mean(values["logme"]) == pytest.approx(0, abs=0.01)
    assert 0 < np.mean(values["unique_information"]) < 0.01


def test_an_antisymmetric_score_is_antisymmetric() -> None:
    pair = make_pair()
    for score in (advantage, logme):
        assert score(pair) == pytest.approx(-score(swapped(pair)))
    assert teacher_given_student(pair) == pytest.approx(-minus_student_given_teacher(swapped(pair)), abs=1e-9)
    # The chain rule holds whatever the models are.
    chain = teacher_given_student(pair) + minus_student_given_teacher(pair)
    assert advantage(pair) == pytest.approx(chain)


def test_conditional_information_is_that_of_gaussian_views() -> None:
    """Independent views of the label: H(Y|S) - H(Y|S,T) by Monte Carlo of the true posteriors."""
    pair = make_pair(3, n=20_000)
    truth = np.arange(len(pair.labels)), pair.labels

    def entropy(logits: Floats) -> float:
        return float(-log_softmax(logits, axis=1)[truth].mean())

    expected = entropy(pair.student_logits) - entropy(pair.student_logits + pair.teacher_logits)
    assert teacher_given_student(pair) == pytest.approx(expected, abs=0.003)
    assert expected > 0.2


def test_a_teacher_that_repeats_the_student_adds_nothing() -> None:
    pair = make_pair()
    same = replace(pair, teacher_logits=pair.student_logits, teacher_representation=pair.student_representation)
    assert teacher_given_student(same) == pytest.approx(0, abs=0.003)
    assert advantage(same) == 0
    assert unique_information(same) == 0
    assert cka(same) == pytest.approx(1)
    assert modality_focusing(same) == pytest.approx(1)


def test_the_decomposition_of_an_exclusive_or_and_of_copies() -> None:
    """Williams & Beer: of XOR nothing is redundant or unique; a copy is all redundant."""
    a, b = np.array(list(product([0, 1], repeat=2)) * 10).T
    exclusive = [specific_information(a, a ^ b, 2), specific_information(b, a ^ b, 2)]
    np.testing.assert_allclose(exclusive, 0, atol=1e-12)
    np.testing.assert_allclose(specific_information(a, a, 2), np.log(2))

    def known(teacher: NDArray[np.int64], student: NDArray[np.int64], labels: NDArray[np.int64]) -> Pair:
        n = len(labels)
        return Pair(
            np.zeros((n, 1)),
            np.zeros((n, 1)),
            np.eye(2)[teacher],
            np.eye(2)[student],
            labels,
            np.zeros(n, dtype=int),
            n,
        )

    copies = known(a, a, a)
    assert (redundancy(copies), unique_information(copies)) == (pytest.approx(np.log(2)), pytest.approx(0))
    blind = known(a, b, a)
    assert (redundancy(blind), unique_information(blind)) == (pytest.approx(0), pytest.approx(np.log(2)))


def test_logme_is_the_largest_evidence() -> None:
    random = np.random.default_rng(0)
    for n, r in ((40, 6), (8, 12)):
        f = random.normal(size=(n, r))
        labels = (f[:, 0] + 0.5 * random.normal(size=n) > 0).astype(int)
        # Any n - 1 orthonormal directions without the mean.
        around_mean = np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1].T
        centred, y = around_mean @ f, around_mean @ labels

        def minus_log_p(parameters: Floats, f: Floats = centred, y: Floats = y, n: int = n - 1) -> float:
            signal, noise = np.exp(parameters)
            covariance = signal * f @ f.T + noise * np.eye(n)
            return -float(multivariate_normal.logpdf(y, np.zeros(n), covariance, allow_singular=True)) / n

        starts = ([-2.0, -2.0], [-4.0, -1.0], [-2.0, -6.0])
        best = max(-minimize(minus_log_p, start, method="Nelder-Mead").fun for start in starts)
        # The indicators of two classes are each other's negative: the mean over both is either.
        assert evidence(f + 7, labels) == pytest.approx(best, abs=2e-3)


def test_debiased_cka_is_a_mean_over_quadruples_and_turns_with_no_rotation() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(7, 3)), random.normal(size=(7, 2))
    b[:, 0] += a[:, 0]

    def hsic(x: Floats, y: Floats) -> float:
        """Song et al. 2012, by its definition: sums over distinct indices."""
        k, m = x @ x.T, y @ y.T
        n = len(x)
        two = np.mean([k[i, j] * m[i, j] for i, j in product(range(n), repeat=2) if i != j])
        three = np.mean([k[i, j] * m[i, q] for i, j, q in product(range(n), repeat=3) if len({i, j, q}) == 3])
        four = np.mean([k[i, j] * m[q, r] for i, j, q, r in product(range(n), repeat=4) if len({i, j, q, r}) == 4])
        return float(two + four - 2 * three)

    assert debiased_cka(a, b) == pytest.approx(hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b)))
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    assert debiased_cka(3 * a @ rotation + 5, b) == pytest.approx(debiased_cka(a, b))
    assert np.isnan(debiased_cka(a[:3], b[:3]))
    unrelated = [debiased_cka(random.normal(size=(60, 12)), random.normal(size=(60, 12))) for _ in range(40)]
    assert np.mean(unrelated) == pytest.approx(0, abs=0.02)


def test_modality_focusing_by_plain_loops() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 4)), random.normal(size=(30, 2))
    y[:, 0] += 2 * x[:, 1]
    r2 = left_out_r2(x, y)
    for u in range(2):
        left_out = cross_val_predict(LinearRegression(), x, y[:, u], cv=LeaveOneOut())
        means = np.array([np.delete(y[:, u], i).mean() for i in range(30)])
        assert r2[u] == pytest.approx(1 - ((y[:, u] - left_out) ** 2).sum() / ((y[:, u] - means) ** 2).sum())
    assert r2[0] > 0.5 > 0 > r2[1] - 0.1
    labels = np.arange(30) % 3
    share = between_class_share(np.column_stack([labels, y[:, 0]]).astype(float), labels, np.ones(30, dtype=bool))
    assert share[0] == pytest.approx(1) and share[1] < 0.5
    # What decides in the teacher is there in the student, and its other units are not: gamma sees the former.
    pair = make_pair()
    general = pair.student_representation[:, :1]
    noise = random.normal(size=(400, 5))
    decides = np.column_stack([np.eye(C)[pair.labels] @ [1.0, 0.0, -1.0], noise])
    seen = replace(
        pair, teacher_representation=decides, student_representation=np.column_stack([decides[:, 0], general])
    )
    assert modality_focusing(seen) > 0.8
    assert modality_focusing(replace(seen, student_representation=general)) < modality_focusing(seen) - 0.1


def test_the_expected_gain_by_hand() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)), random.normal(size=(40, 2))
    fold = np.arange(40) % 2
    predicted = left_out_ridge(x, y, fold)
    for f in range(2):
        train, test = fold != f, fold == f
        z = (x - x[train].mean(0)) / x[train].std(0)
        np.testing.assert_allclose(predicted[test], Ridge(alpha=1.0).fit(z[train], y[train]).predict(z[test]))
    # At weight 0 the student's own noise; at weight 1 misfit and the teacher's noise over all paired samples.
    assert excess_risk(0.0, 9.0, 2.0, 3.0, 1.0, 0.1, 0.01) == pytest.approx(2.0 * 0.1)
    assert excess_risk(1.0, 9.0, 2.0, 3.0, 1.0, 0.1, 0.01) == pytest.approx(9.0 + 3.0 * 0.01)
    assert excess_risk(0.5, 4.0, 2.0, 3.0, 1.0, 0.1, 0.01) == pytest.approx(1.0 + 0.05 + (0.5 + 0.75) * 0.01)


def test_the_expected_gain_grows_with_unlabelled_patients_and_falls_with_misfit() -> None:
    few = make_pair(n=300, teacher=3.0, budget=0.2)
    only_labelled = few.labelled
    small = replace(
        few,
        **{
            name: getattr(few, name)[only_labelled]
            for name in ("teacher_representation", "student_representation", "teacher_logits", "student_logits")
        },
        labels=few.labels[only_labelled],
        fold=few.fold[only_labelled],
    )
    assert expected_gain(few) > expected_gain(small)
    # A teacher that says the wrong class with certainty.
    wrong = replace(few, teacher_logits=-5 * few.student_logits)
    assert expected_gain(wrong) < 0 < expected_gain(few)


def views(n: int, seed: int = 0) -> Pair:
    """Posteriors of two Gaussian views of a class with independent noise, a strong and a weak one."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, n)
    sign = 2 * labels - 1
    strong, weak = (np.stack([np.zeros(n), 2 * a * (a * sign + random.normal(size=n))], axis=1) for a in (STRONG, WEAK))
    return Pair(strong, weak, strong, weak, labels, random.permutation(n) % 5, n)


STRONG, WEAK = 1.5, 0.5


def known_information(a: float) -> float:
    """I(X;Y) of x = a y + noise, y = +-1, nats: log 2 - E log(1 + exp(-2 a (a + e)))."""
    e, weight = np.polynomial.hermite_e.hermegauss(80)
    return float(np.log(2) - (np.logaddexp(0, -2 * a * (a + e)) * weight).sum() / weight.sum())


def test_differences_of_log_losses_are_known_informations() -> None:
    # Views of independent noise, so that both together are one view of sqrt(1.5^2 + 0.5^2).
    strong, weak, both = (known_information(a) for a in (STRONG, WEAK, np.hypot(STRONG, WEAK)))
    pair = views(8000)
    assert advantage(pair) == pytest.approx(strong - weak, abs=0.03)
    assert teacher_given_student(pair) == pytest.approx(both - weak, abs=0.03)
    assert benefit(pair) == pytest.approx(both - weak - MISFIT_WEIGHT * (both - strong), abs=0.03)
    assert benefit(swapped(pair)) < 0 < benefit(pair)


def test_permuted_labels_and_another_scale_change_little() -> None:
    pair = views(2000)
    permuted = replace(pair, labels=np.random.default_rng(1).permutation(pair.labels))
    assert abs(advantage(permuted)) < 0.01
    assert advantage(replace(pair, teacher_logits=3 * pair.teacher_logits)) == pytest.approx(advantage(pair), abs=0.01)


def test_a_sample_is_not_judged_by_a_pool_that_saw_its_label() -> None:
    pair = views(60)
    logp = log_softmax(pair.teacher_logits, axis=-1)[..., None]
    before = held_out_losses(logp, pair.labels, pair.fold)
    flipped = np.where(pair.fold == 0, 1 - pair.labels, pair.labels)
    after = held_out_losses(logp, flipped, pair.fold)
    # The losses under both labels are of one distribution: exp(-a) + exp(-b) = 1.
    assert np.exp(-before[pair.fold == 0]) + np.exp(-after[pair.fold == 0]) == pytest.approx(1)
