"""Which gain can be decided: against draws of pilots, gains of simulated students, and what the command says."""

import numpy as np
import pandas as pd
import pytest

from cch_omics.cli import main
from cch_omics.tasks.classification.gain import accuracy_gain
from cch_omics.tasks.planned import planned_target
from cch_omics.verdict.evidence import with_pilots
from cch_omics.verdict.pilot import COLUMNS
from cch_omics.verdict.power import POWER, decidable_gain, expected_errors, patients_needed

CONFIDENCE = 0.95


@pytest.mark.parametrize("se", [0.005, 0.03, 0.1])
def test_a_decidable_gain_is_called_positive_with_the_power_that_is_asked_for(se: float) -> None:
    task, _, _ = planned_target((0.5, 0.5), None)
    gain = decidable_gain(se, task.gain_sd, CONFIDENCE)
    found = gain + se * np.random.default_rng(0).normal(size=20_000)
    pilots = pd.DataFrame(dict.fromkeys(COLUMNS, 0.0), index=range(len(found)))
    pilots = pilots.assign(repeat=np.arange(len(found)), pilot_gain=found, pilot_gain_se=se)
    called = with_pilots(pilots[["repeat", "fold", "teacher", "student", "recipe"]], pilots, task)["p_gain_positive"]
    assert (called >= CONFIDENCE).mean() == pytest.approx(POWER, abs=0.01)


def test_so_many_patients_as_needed_decide_the_gain() -> None:
    se, patients = 0.02, 300
    needed = patients_needed(0.02, se, patients, 0.03, CONFIDENCE)
    assert needed > patients
    assert decidable_gain(se * np.sqrt(patients / needed), 0.03, CONFIDENCE) == pytest.approx(0.02)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.6, 0.3, 0.1)])
def test_uneven_classes_raise_the_error_of_a_gain_as_foretold(shares: tuple[float, ...]) -> None:
    """Of one pilot, all labels known, the unit is how often one student alone is right."""
    n, disagree = 4000, 0.2
    random, one_hot = np.random.default_rng(0), 20 * np.eye(len(shares))
    labels = np.repeat(np.arange(len(shares)), np.multiply(shares, n).round().astype(int))
    right = np.stack([random.random(n) < disagree / 2, np.ones(n, bool)])
    random.permuted(right, axis=0, out=right)
    right |= random.random(n) < 1 - disagree
    wrong = (labels + 1) % len(shares)
    alone, taught = (one_hot[np.where(each, labels, wrong)] for each in right)
    gain = accuracy_gain(alone, taught, alone, labels, np.arange(n))
    apart = (right[0] != right[1]).mean()
    expected = apart * planned_target(shares, None)[0].imbalance(shares) / n
    assert gain.se**2 == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("classes", "events"), [((0.7, 0.3), None), ((), None), ((), 0.3)])
def test_errors_fall_with_patients_and_with_labels(classes: tuple[float, ...], events: float | None) -> None:
    task, shares, _ = planned_target(classes, events)
    low, typical, high = expected_errors(task, 400, 100, shares)
    assert 0 < low < typical < high
    assert expected_errors(task, 1600, 400, shares)[1] == pytest.approx(typical / 2)
    assert expected_errors(task, 400, 400, shares)[1] < typical


def test_the_command_says_it_in_the_unit_of_the_metric(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--patients", "400", "--labels", "0.15", "--classes", "0.7,0.3"]) == 0
    said = capsys.readouterr().out
    assert "400 patients with both modalities, 60 of them with a label" in said
    error, decided, needed = (
        next(line for line in said.splitlines() if word in line) for word in ("error", "seen", "for a gain")
    )
    assert "points" in error and "points" in decided and "2.0 points" in needed
    assert main(["power", "--patients", "400", "--events", "0.3", "--gain", "0.04"]) == 0
    said = capsys.readouterr().out
    assert "Uno's C" in said and "0.040" in said
    assert main(["power", "--patients", "400"]) == 0
    assert "R²" in capsys.readouterr().out
