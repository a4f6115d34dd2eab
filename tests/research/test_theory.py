"""The closed forms agree with simulation, and the simulation would notice if they did not."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cch_omics.errors import InputError
from cch_omics.runtime.formats import read_table
from research.theory import __main__ as command
from research.theory import model, risk
from research.theory.model import Problem

Floats = NDArray[np.float64]

WEIGHTS = [0.0, 0.1, 0.5, 1.0, 4.0, np.inf]


def random_covariance(seed: int, d: int = 5) -> Floats:
    root = np.random.default_rng(seed).normal(size=(d + 2, d + 4))
    return root @ root.T / (d + 4)


def z_scores(expected: Floats, covariance: Floats, n: int, unlabelled: int = 0, **settings: object) -> Floats:
    mean, error = risk.simulated_risk(covariance, WEIGHTS, n, unlabelled, draws=4000, **settings)  # type: ignore[arg-type]
    # Otherwise any formula would agree.
    assert (error < 0.03 * mean).all()
    return np.abs(mean - expected) / error


@pytest.mark.parametrize(("seed", "n", "unlabelled"), [(0, 15, 0), (1, 40, 0), (2, 15, 60), (3, 30, 30)])
def test_least_squares_risk_is_that_of_simulated_students(seed: int, n: int, unlabelled: int) -> None:
    covariance = random_covariance(seed)
    p = model.problem(covariance)
    exact = risk.least_squares_risk(p, WEIGHTS, n, unlabelled)
    assert z_scores(exact, covariance, n, unlabelled).max() < 4


def test_simulation_tells_the_exact_risk_from_its_large_sample_form() -> None:
    covariance = random_covariance(0)
    p = model.problem(covariance)
    a, n = risk.share(WEIGHTS), 40
    noise = (1 - a) ** 2 * p.noise + 2 * a * (1 - a) * p.shared_noise + a**2 * p.teacher_noise
    assert z_scores(a**2 * p.misfit + noise * p.dimension / n, covariance, n).max() > 4


def test_averaging_two_students_is_fitting_the_mixed_target() -> None:
    covariance = random_covariance(4)
    averaged, _ = risk.simulated_risk(covariance, WEIGHTS, 20, draws=50)
    joint, _ = risk.simulated_risk(covariance, WEIGHTS, 20, draws=50, joint=True)
    np.testing.assert_allclose(averaged, joint)


def test_joint_loss_without_unlabelled_patients_or_at_either_end_is_exact() -> None:
    p = model.problem(random_covariance(5))
    np.testing.assert_allclose(risk.joint_loss_risk(p, WEIGHTS, 20, 0), risk.least_squares_risk(p, WEIGHTS, 20))
    ends = [0.0, np.inf]
    np.testing.assert_allclose(risk.joint_loss_risk(p, ends, 20, 30), risk.least_squares_risk(p, ends, 20, 30))


def test_joint_loss_costs_more_than_averaging_where_teacher_and_label_disagree() -> None:
    p = model.make_problem(3, 1, 0.2, aligned=0.2, astray=1, leaked=0.1, private=0.3)
    weights, n, unlabelled = [0.25, 1.0], 100, 300
    differences = []
    for seed in range(20):
        # The same patients for both, so that the difference is far more precise than either.
        joint, averaged = (
            risk.simulated_risk(model.covariance_of(p), weights, n, unlabelled, joint=joint, draws=200, seed=seed)[0]
            for joint in (True, False)
        )
        differences.append(joint - averaged)
    found = np.mean(differences, axis=0)
    error = np.std(differences, axis=0, ddof=1) / np.sqrt(len(differences))
    expected = risk.joint_loss_risk(p, weights, n, unlabelled) - risk.least_squares_risk(p, weights, n, unlabelled)
    # A difference by a third would be seen; terms of the order of 1/n^2 are left out.
    assert error[0] < expected[0] / 12
    assert (np.abs(found - expected) < 4 * error).all()


@pytest.mark.parametrize(("n", "penalty"), [(12, 3.0), (40, 20.0), (4, 5.0)])
def test_ridge_risk_is_that_of_simulated_students(n: int, penalty: float) -> None:
    p = model.make_problem(5, 0.8, 1.0, aligned=0.5, astray=0.7, leaked=0.4, private=0.5)
    spectra = risk.white_spectra(n, 5, draws=20_000)
    exact = risk.ridge_risk(p, WEIGHTS, spectra, penalty)
    assert z_scores(exact, model.covariance_of(p), n, penalty=penalty).max() < 4
    assert z_scores(exact, model.covariance_of(p), n, penalty=2 * penalty).max() > 4


def test_tuned_penalty_is_the_best() -> None:
    p = model.make_problem(6, 0.5, 2.0, aligned=1, astray=0, leaked=0, private=1)
    spectra = risk.white_spectra(15, 6)
    penalties = risk.tuned_penalty(p) * np.array([0.8, 1.0, 1.25])
    risks = [float(risk.ridge_risk(p, 0, spectra, penalty)) for penalty in penalties]
    assert risks[1] == min(risks)


@pytest.mark.parametrize("seed", range(5))
def test_slopes_are_the_derivatives_at_zero(seed: int) -> None:
    p = model.problem(random_covariance(seed))
    step = 1e-6
    for unlabelled in (0, 50):
        alone, taught = risk.least_squares_risk(p, [0, step], 20, unlabelled)
        assert risk.least_squares_slope(p, 20, unlabelled) == pytest.approx((taught - alone) / step, rel=1e-3)
    spectra, penalty = risk.white_spectra(20, p.dimension), risk.tuned_penalty(p)
    ridge = risk.ridge_risk(p, [0, step], spectra, penalty)
    q = float((spectra / (spectra + penalty) ** 2).mean())
    slope = 2 * q * p.dimension * p.noise * risk.tuned_slope(p)
    assert slope == pytest.approx((ridge[1] - ridge[0]) / step, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_information_is_that_of_the_covariance(seed: int) -> None:
    covariance = random_covariance(seed)
    p = model.problem(covariance)
    known = model.information(p)
    x, h, y = range(5), [5], [6]
    for value, blocks in {
        known.teacher_student: (h, x),
        known.student_label: (x, y),
        known.teacher_label: (h, y),
        known.teacher_label_given_student: (h, y, x),
        known.student_label_given_teacher: (x, y, h),
        known.teacher_student_given_label: (h, x, y),
    }.items():
        assert value == pytest.approx(model.gaussian_information(covariance, *blocks))
    assert known.gap == pytest.approx(known.teacher_student_given_label - known.student_label_given_teacher)
    assert known.advantage == pytest.approx(known.teacher_label_given_student - known.student_label_given_teacher)


@pytest.mark.parametrize("seed", range(3))
def test_a_problem_keeps_its_numbers(seed: int) -> None:
    p = model.problem(random_covariance(seed))
    again = model.problem(model.covariance_of(p))
    for name, value in vars(p).items():
        assert getattr(again, name) == pytest.approx(value), name


def random_problems(count: int = 500) -> list[Problem]:
    return [model.problem(random_covariance(seed, d=3)) for seed in range(count)]


def test_calibrated_teacher_with_a_positive_gap_helps_least_squares_at_small_weights() -> None:
    decided = 0
    for p in map(model.calibrated, random_problems()):
        if model.information(p).gap > 0:
            decided += 1
            assert risk.least_squares_slope(p, 10) < 0
    assert decided > 50


def test_margin_has_the_sign_of_what_the_tuned_student_gains() -> None:
    signs = set()
    for p in random_problems():
        margin = risk.margin(p)
        if np.isnan(margin):
            continue
        assert (margin > 0) == (risk.tuned_slope(p) < 0)
        signs.add((margin > 0, model.information(p).gap > 0))
    # The rule and the truth part both ways.
    assert len(signs) == 4


def test_the_plain_rule_is_right_where_signal_and_noise_are_equally_aligned() -> None:
    for ratio, private in ((0.4, 0.6), (0.6, 0.4)):
        # rho_x = rho_e: astray / aligned = private / leaked
        p = model.make_problem(4, 1, 1, aligned=ratio, astray=ratio, leaked=private, private=private)
        assert p.signal_correlation == pytest.approx(p.noise_correlation)
        assert (model.information(p).gap > 0) == (risk.tuned_slope(p) < 0)


def test_label_independent_of_the_student_given_the_teacher_is_never_harmful() -> None:
    # h = b'x + a part of e_y, so that y depends on x through h only.
    p = model.make_problem(4, 0.5, 1, aligned=1, astray=0, leaked=0.5, private=0.5)
    known = model.information(p)
    assert known.student_label_given_teacher == pytest.approx(0, abs=1e-12)
    assert known.gap > 0
    risks = risk.least_squares_risk(p, WEIGHTS, 10)
    assert (np.diff(risks) < 0).all()


def test_permuted_teacher_helps_least_squares_and_never_the_tuned_ridge() -> None:
    p = model.make_problem(8, 0.5, 1, aligned=0, astray=0, leaked=0, private=1)
    assert risk.least_squares_slope(p, 40) < 0
    assert risk.tuned_slope(p) == 0
    spectra, penalty = risk.white_spectra(40, 8), risk.tuned_penalty(p)
    risks = risk.ridge_risk(p, [0, 0.01, 0.1, 1], spectra, penalty)
    # The mean over spectra obeys m_1 - m_2 = penalty q draw by draw, so this is no matter of chance.
    assert (np.diff(risks) > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_harm_begins_at_twice_the_best_share(seed: int) -> None:
    p = model.problem(random_covariance(seed))
    best = risk.best_share(p, 30)
    if 0 < best < 0.5:
        weight = 2 * best / (1 - 2 * best)
        alone, same = risk.least_squares_risk(p, [0, weight], 30)
        assert same == pytest.approx(alone)
    around = np.clip([best - 0.01, best, best + 0.01], 0, 0.999)
    risks = risk.least_squares_risk(p, around / (1 - around), 30)
    assert risks[1] <= risks.min() + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_bias_of_a_calibrated_teacher_is_bounded_by_what_only_the_student_knows(seed: int) -> None:
    p = model.calibrated(model.problem(random_covariance(seed)))
    known = model.information(p)
    left = (p.signal + p.noise) * np.exp(-2 * known.teacher_label)
    assert p.misfit <= left * -np.expm1(-2 * known.student_label_given_teacher) + 1e-12


def test_too_few_patients_and_wrong_covariances_are_refused() -> None:
    p = model.problem(random_covariance(0))
    with pytest.raises(InputError, match="n > d"):
        risk.least_squares_risk(p, 1, 6)
    with pytest.raises(InputError, match="positive definite"):
        model.problem(-np.eye(4))
    with pytest.raises(InputError, match="shape"):
        model.problem(np.eye(2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("theory")
    command.main(["--output", str(written)])
    return written


def test_command_writes_figure_and_tables(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "theory.png",
        "teachers.tsv",
        "simulation.tsv",
        "agreement.tsv",
        "criteria.tsv",
    }
    assert 20_000 < (folder / "theory.png").stat().st_size < 300_000


def test_tables_agree_with_simulation(folder: Path) -> None:
    agreement = read_table(folder / "agreement.tsv").set_index("student")
    assert (agreement["comparisons"] == 32).all()
    assert (agreement.drop(index="joint loss")["largest_in_se"] < 4).all()
    assert agreement.loc["joint loss", "largest_in_percent"] < 5


def test_margin_foretells_small_weights_in_every_random_problem(folder: Path) -> None:
    criteria = read_table(folder / "criteria.tsv").set_index(["criterion", "outcome"])
    oracle = criteria.loc[("margin", "ridge, small weight")]
    assert (oracle["auroc"], oracle["wrongly_distil"], oracle["missed"]) == (1, 0, 0)
    gap = criteria.loc[("gap", "ridge, small weight")]
    assert gap["auroc"] < 0.9
    assert gap["wrongly_distil"] > 0


def markdown_rows(text: str) -> set[tuple[str, ...]]:
    return {tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)}


def test_numbers_in_the_documentation_are_those_of_the_command(folder: Path) -> None:
    documented = markdown_rows((Path(__file__).parents[2] / "docs" / "theory.md").read_text(encoding="utf-8"))
    missing = [row for row in command.markdown(folder).splitlines() if markdown_rows(row) - documented]
    assert not missing
