import numpy as np
import pandas as pd
import pytest
from report_tables import tables, verdicts

from cch_omics import keys, pl, plotting
from cch_omics.errors import InputError


def draw(function, *args, **kwargs):
    with plotting.style():
        figure, ax = plotting.figure(5, 4)
        assert function(*args, ax=ax, **kwargs) is ax
        return plotting.svg(figure, name="it", alt="what it shows")


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_gap_matrix_puts_teachers_in_rows_and_students_in_columns():
    table = verdicts(["a", "b"]).assign(gap=[0.5, -0.25], verdict=["distil", "do_not_distil"], gap_se=[0.1, 0.2])
    with plotting.style():
        _, ax = plotting.figure(4, 4)
        plotting.gap_matrix(table, ax=ax)
    where = {text.get_text(): text.get_position() for text in ax.texts}
    names = [label.get_text() for label in ax.get_xticklabels()]
    for row, label in zip(table.to_dict("records"), ["+0.50 ▲", "−0.25 ▼"], strict=True):
        x, y = where[label]
        assert (names[int(x)], names[int(y)]) == (row["student"], row["teacher"])


def test_gap_matrix_leaves_a_missing_gap_blank():
    table = verdicts(["a", "b", "c"])
    table.loc[0, "gap"] = np.nan
    with plotting.style():
        _, ax = plotting.figure(4, 4)
        plotting.gap_matrix(table, ax=ax)
    assert texts(ax).count("not estimated") == 1


@pytest.mark.parametrize("n", [1, 2, 15])
def test_gap_matrix_of_any_size(n):
    assert "<svg" in draw(plotting.gap_matrix, verdicts([f"m{k}" for k in range(n)]))


def test_evidence_is_drawn_less_what_the_estimators_say_at_zero():
    table = verdicts(["rna", "cnv"])
    table["gap_at_zero"], table["cross_check_gap_at_zero"] = [0.1, np.nan], 0.0
    ax = plotting.gap_evidence(table)
    ordered = table.sort_values("gap", ascending=False)
    first, second, advantage = (container[0].get_xdata() for container in ax.containers if hasattr(container, "lines"))
    # Without twins an estimate stands as it is.
    assert first == pytest.approx(ordered["gap"] - ordered["gap_at_zero"].fillna(0))
    assert second == pytest.approx(ordered["cross_check_gap"])
    assert advantage == pytest.approx(ordered["log_loss_benefit"])
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        f"{row.teacher} → {row.student}" for row in ordered.itertuples()
    ]


def test_evidence_without_an_estimate_is_empty():
    table = verdicts(["rna", "cnv"]).assign(gap=np.nan)
    assert len(plotting.gap_evidence(table).get_yticklabels()) == 0


def test_pairs_without_a_gap_or_a_gain_are_left_out():
    pairs = pd.DataFrame(
        {
            "gap": [0.1, np.nan, 0.3],
            "gap_se": [0.1, 0.1, np.nan],
            "gain": [0.02, 0.01, np.nan],
            "ci_low": [np.nan, 0.0, np.nan],
            "ci_high": [np.nan, 0.02, np.nan],
            "verdict": ["distil"] * 3,
        }
    )
    with plotting.style():
        _, ax = plotting.figure(4, 4)
        plotting.gap_against_gain(pairs, labels=["x", "y", "z"], ax=ax)
    assert texts(ax) == ["x"]


def test_models_are_ordered_and_the_chosen_one_is_bold():
    models = tables(["a", "b", "c"])["performance"].query("metric == 'balanced_accuracy' and modality == 'c'")
    with plotting.style():
        _, ax = plotting.figure(4, 4)
        plotting.model_performance(models.sample(frac=1, random_state=0), chosen="distilled:b", ax=ax)
    ticks = ax.get_yticklabels()
    assert [tick.get_text() for tick in ticks] == [
        "trained alone",
        "self control",
        "from a",
        "from b",
        "logistic regression",
        "gradient boosting",
    ]
    assert [tick.get_text() for tick in ticks if tick.get_fontweight() == "bold"] == ["from b"]


def test_representation_shows_every_sample_once():
    random = np.random.default_rng(0)
    labels, points = random.integers(-1, 3, 50), random.normal(size=(50, 2))
    with plotting.style():
        _, ax = plotting.figure(4, 4)
        plotting.representation(points, labels, 3, usable=random.random(50) < 0.5, ax=ax)
    drawn = np.concatenate([line.get_xydata() for line in ax.lines])
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, points))


def test_classes_are_told_apart_by_colour_or_marker():
    styles = [plotting.class_style(code) for code in range(20)]
    assert len(set(styles)) == len(styles)


def test_verdicts_are_told_apart_without_colour():
    for marks in (plotting.VERDICT_MARKERS, plotting.VERDICT_SYMBOLS):
        assert set(marks) == set(keys.VERDICTS)
        assert len(set(marks.values())) == len(marks)


def test_svg_is_the_same_for_the_same_content_and_has_its_own_ids():
    table = verdicts(["a", "b", "c"])
    one, two = draw(plotting.gap_matrix, table), draw(plotting.gap_matrix, table)
    assert one == two
    assert 'role="img"' in one and 'aria-label="what it shows"' in one
    assert "http" not in one and "<metadata" not in one
    assert all(part.startswith("it-") for part in one.split(' id="')[1:])


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a$b$c", "$\\frac{$", "遺伝子", "x" * 200, "&amp;"])
def test_any_name_can_be_drawn(name):
    text = draw(plotting.gap_matrix, verdicts([name, "b"]))
    assert "<script" not in text


@pytest.mark.parametrize(("value", "text"), [(0.123, "+0.12"), (-0.5, "−0.50"), (-0.001, "0.00"), (np.nan, "–")])
def test_signed(value, text):
    assert plotting.signed(value) == text


class Stored:
    def __init__(self, **uns):
        self.uns = uns


def test_notebook_face_draws_the_stored_verdicts():
    table = verdicts(["a", "b"])
    with plotting.style():
        _, ax = plotting.figure(4, 4)
        assert pl.gap_matrix(Stored(cch=table), ax=ax) is ax
    assert len([text for text in texts(ax) if "▲" in text or "▼" in text or "◆" in text]) == 2


@pytest.mark.parametrize("uns", [{}, {"cch": pd.DataFrame({"teacher": ["a"]})}])
def test_notebook_face_says_what_is_missing(uns):
    with pytest.raises(InputError, match=r"tl\.cch"):
        pl.gap_matrix(Stored(**uns))
