import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from report_tables import DOSE, OS, SUBTYPE, tables, verdicts, write_results

from cch_omics import keys, pl
from cch_omics.errors import InputError
from cch_omics.report import model_plots, pair_plots, style
from cch_omics.vocabulary import signed, with_minus

POINTS = SUBTYPE.metrics[SUBTYPE.primary]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def draw(function, *args, **kwargs):
    with style.style():
        figure, (ax,) = style.figure(5, 4)
        function(*args, ax=ax, **kwargs)
        return style.svg(figure, name="it", alt="what it shows", data=pd.DataFrame({"a": [1.0]}))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_gap_matrix_puts_teachers_in_rows_and_students_in_columns():
    table = verdicts(["a", "b"]).assign(gap=[0.5, -0.25], verdict=["distil", "do_not_distil"], gap_se=[0.1, 0.2])
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pair_plots.gap_matrix(table, ax=ax)
    where = {text.get_text(): text.get_position() for text in ax.texts}
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == [label.get_text() for label in ax.get_yticklabels()]
    for row, label in zip(table.to_dict("records"), ["+0.50 ▲", "−0.25 ▼"], strict=True):
        x, y = where[label]
        assert (names[int(x)], names[int(y)]) == (row["student"], row["teacher"])


def test_gap_matrix_leaves_a_missing_gap_blank():
    table = verdicts(["a", "b", "c"])
    table.loc[0, "gap"] = np.nan
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pair_plots.gap_matrix(table, ax=ax)
    assert texts(ax).count("not estimated") == 1


def test_a_view_that_only_teaches_is_a_row_and_no_column():
    table = verdicts(["a", "b"])
    table.loc[0, "teacher"] = "a+b"
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pair_plots.gap_matrix(table, ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "a+b"]


def test_of_several_recipes_the_one_with_the_best_pilot_is_drawn():
    table = verdicts(["a", "b"])
    second = table.assign(recipe="other", pilot_gain=table["pilot_gain"] + [0.1, -0.1], verdict="undecided")
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pair_plots.gap_matrix(pd.concat([table, second]), ax=ax)
    assert len([text for text in texts(ax) if text.endswith("◆")]) == 1


def test_gaps_are_drawn_as_estimated_beside_what_the_estimators_say_at_zero():
    table = verdicts(["rna", "cnv"])
    table["gap_at_zero"], table["cross_check_gap_at_zero"] = [0.1, np.nan], 0.0
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pair_plots.estimated_gaps(table, ax=ax)
    at_zero, first, second_at_zero, second = (container[0].get_xdata() for container in ax.containers)
    # The same gap as in all other figures and tables.
    assert first == pytest.approx(table["gap"])
    assert second == pytest.approx(table["cross_check_gap"])
    assert at_zero == pytest.approx([0.1, np.nan], nan_ok=True)
    assert second_at_zero == pytest.approx([0, 0])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cnv → rna", "rna → cnv"]


def test_pilot_gains_are_drawn_in_the_unit_of_the_metric():
    table = verdicts(["rna", "cnv"])
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pair_plots.pilot_gains(table, POINTS, ax=ax)
    assert ax.containers[0][0].get_xdata() == pytest.approx(100 * table["pilot_gain"])
    assert "points of balanced accuracy" in ax.get_xlabel()


def test_pairs_without_a_gap_or_a_gain_are_left_out():
    pairs = pd.DataFrame(
        {
            "teacher": ["rna"] * 3,
            "student": ["cnv", "rppa", "mirna"],
            "gap": [0.1, np.nan, 0.3],
            "gap_se": [0.1, 0.1, np.nan],
            "gain": [0.02, 0.01, np.nan],
            "ci_low": [np.nan, 0.0, np.nan],
            "ci_high": [np.nan, 0.02, np.nan],
            "verdict": ["distil"] * 3,
        }
    )
    with style.style():
        _, (ax,) = style.figure(4, 4)
        pair_plots.gap_against_gain(pairs, POINTS, numbers=True, ax=ax)
    assert texts(ax) == ["1"]


@pytest.mark.parametrize(
    ("task", "linear"),
    [(SUBTYPE, "penalised logistic regression"), (DOSE, "ridge regression"), (OS, "penalised Cox regression")],
    ids=["classification", "regression", "survival"],
)
def test_models_are_ordered_and_the_chosen_one_is_bold(task, linear):
    models = tables(["a", "b", "c"], task)["performance"].query("metric == @task.primary and student == 'c'")
    with style.style():
        _, (ax,) = style.figure(4, 4)
        shuffled = models.sample(frac=1, random_state=0)
        model_plots.model_performance(shuffled, task, chosen="soft_targets:b", limits=None, ax=ax)
    ticks = ax.get_yticklabels()
    assert [tick.get_text() for tick in ticks] == [
        "trained alone",
        "self control",
        "soft targets from a",
        "soft targets from b",
        linear,
        "gradient boosting",
    ]
    assert [tick.get_text() for tick in ticks if tick.get_fontweight() == "bold"] == ["soft targets from b"]


def test_verdicts_are_told_apart_without_colour():
    for marks in (style.VERDICT_MARKERS, style.VERDICT_SYMBOLS):
        assert set(marks) == set(keys.VERDICTS)
        assert len(set(marks.values())) == len(marks)


def test_svg_is_the_same_for_the_same_content_and_has_its_own_ids():
    table = verdicts(["a", "b", "c"])
    one, two = draw(pair_plots.gap_matrix, table), draw(pair_plots.gap_matrix, table)
    assert one == two
    assert 'role="img"' in one and 'aria-label="what it shows"' in one
    assert "http" not in one and "<metadata" not in one
    assert all(part.startswith("it-") for part in one.split(' id="')[1:])


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a$b$c", "$\\frac{$", "遺伝子", "x" * 200, "&amp;"])
def test_any_name_can_be_drawn(name):
    text = draw(pair_plots.gap_matrix, verdicts([name, "b"]))
    assert "<script" not in text


@pytest.mark.parametrize(("value", "text"), [(0.123, "+0.12"), (-0.5, "−0.50"), (-0.001, "0.00"), (np.nan, "–")])
def test_signed(value, text):
    assert signed(value) == text


def test_hyphens_of_names_are_no_minus():
    text = "BRCA-1 of tcga-brca gained -0.3 (-1 to 2.5e-05), chr7:-12"
    assert with_minus(text) == "BRCA-1 of tcga-brca gained −0.3 (−1 to 2.5e-05), chr7:−12"


class Stored:
    def __init__(self, **uns):
        self.uns = uns


def test_notebook_face_draws_the_stored_verdicts():
    table = verdicts(["a", "b"])
    with style.style():
        _, (ax,) = style.figure(4, 4)
        assert pl.gap_matrix(Stored(cch=table), ax=ax) is ax
    assert len([text for text in texts(ax) if "▲" in text or "▼" in text or "◆" in text]) == 2


@pytest.mark.parametrize("uns", [{}, {"cch": pd.DataFrame({"teacher": ["a"]})}])
def test_notebook_face_says_what_is_missing(uns):
    with pytest.raises(InputError, match=r"tl\.cch"):
        pl.gap_matrix(Stored(**uns))


def test_notebook_face_takes_the_table_itself_and_nothing_else():
    table = verdicts(["a", "b"])
    assert len(texts(pl.gap_matrix(table))) == 4
    with pytest.raises(InputError, match="found str; expected MuData, or the table"):
        pl.gap_matrix("verdicts.tsv")
    with pytest.raises(InputError, match="the table: found no column gap"):
        pl.gap_matrix(table.drop(columns="gap"))


def test_notebook_face_refuses_pilots_that_were_not_there():
    about = {"task": SUBTYPE.name, "task_parameters": json.dumps(SUBTYPE.parameters)}
    table = verdicts(["a", "b"])
    ax = pl.pilot_gains(Stored(cch=table, cch_about=about))
    assert ax.get_xlabel() == "pilot's gain, points of balanced accuracy"
    assert len(ax.get_yticklabels()) == 2
    with pytest.raises(InputError, match="no gain of a pilot"):
        pl.pilot_gains(Stored(cch=table.assign(pilot_gain=np.nan), cch_about=about))


def test_notebook_face_draws_results_as_the_report_does(tmp_path):
    folder = write_results(tmp_path / "c" / "t", ["rna", "cnv"])
    assert [text.get_text() for text in pl.gains(folder).texts] == ["1", "2"]
    names = [label.get_text() for label in pl.models(folder, "cnv").get_yticklabels()]
    assert names[0] == "trained alone" and "soft targets from rna" in names
    weighed = [label.get_text() for label in pl.features(folder / "students" / "cnv", n=5).get_yticklabels()]
    assert weighed == ["cnv0 for LumA", "cnv0 for LumB", "cnv0 for Her2", "cnv0 for Basal", "cnv1 for LumA"]
    with pytest.raises(InputError, match="argument student: found 'protein'"):
        pl.models(folder, "protein")


def test_notebook_face_draws_gains_against_labels(tmp_path):
    folders = [write_results(tmp_path / name / "t", ["rna", "cnv"]) for name in ("few", "all")]
    about = json.loads((folders[1] / "audit.json").read_text())
    (folders[1] / "audit.json").write_text(json.dumps(about | {"label_budget": about["label_budget"] | {"used": 1.0}}))
    ax = pl.budget_curve(folders[::-1])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["rna", "cnv"]
    gains = pd.read_table(folders[0] / "intermediate" / "advised.tsv").query("criterion == 'pilot'")
    for container, gain in zip(ax.containers, gains["advised_gain"], strict=True):
        assert container[0].get_xdata() == pytest.approx([0.15 * 597, 597])
        assert container[0].get_ydata() == pytest.approx([100 * gain] * 2)
    for given in (folders[0], folders[:1]):
        with pytest.raises(InputError, match="expected a list of two folders or more"):
            pl.budget_curve(given)
    other = write_results(tmp_path / "other" / "t", ["rna", "cnv"], DOSE)
    with pytest.raises(InputError, match=r"found t \(balanced_accuracy\) and t \(r2\)"):
        pl.budget_curve([folders[0], other])
