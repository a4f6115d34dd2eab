"""What cannot teach or learn is left out with a reason, and everything else goes on as if it had not been asked for."""

import json
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from cch_omics import tl
from cch_omics.cli import main
from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig, SheetRow, SplitsConfig
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.mudata import from_mudata, make_mudata, read_cohort, write_cohort, write_mudata
from cch_omics.errors import InputError
from cch_omics.models.encode import encode
from cch_omics.planning.steps import STEPS
from cch_omics.runtime.formats import read_json, read_table
from cch_omics.splits import make_splits
from cch_omics.views import is_left_out, teachers_of, views_of

pytestmark = pytest.mark.usefixtures("restored_logging")

# A stratum needs six patients.
SPLITS = {"repeats": 1, "folds": 2, "inner_folds": 3}
SETTINGS = {
    "splits": SPLITS,
    "encoder": {"units": 4, "components": 6, "max_epochs": 8},
    "information": {"subsamples": 4, "simulations": 8, "dimension": 3},
    "baselines": {"boosting": False},
}
TABLES = ("verdicts.tsv", "teachers.tsv", "evidence.tsv", "information.tsv", "gains.tsv", "references.tsv")
N = 96

Profiled = dict[str, NDArray[np.bool_]]
Change = Callable[[dict[str, NDArray[np.float64]], Profiled, NDArray[np.bool_]], None]


def made(change: Change, *, task: str = "classification") -> anndata.AnnData:
    """MuData of `rna` of everyone and `cnv` of two thirds, of two classes or of a number, after a change.

    The change adds tables (n, p), and who is profiled (n,), knowing who is of the second class, or has a large number.
    """
    random = np.random.default_rng(0)
    number = random.permutation(np.linspace(0, 1, N))
    second = number > 0.5
    tables = {
        name: number[:, None] * random.standard_normal(8) + noise * random.standard_normal((N, 8))
        for name, noise in (("rna", 0.3), ("cnv", 1.0))
    }
    profiled = {"rna": np.ones(N, dtype=bool), "cnv": np.arange(N) < 64}
    change(tables, profiled, second)
    samples = np.array([f"P{number:02d}" for number in range(N)])
    modalities = {
        name: anndata.AnnData(
            values[profiled[name]].astype(np.float32),
            obs=pd.DataFrame(index=samples[profiled[name]]),
            var=pd.DataFrame(index=[f"{name}{j}" for j in range(values.shape[1])]),
        )
        for name, values in tables.items()
    }
    target = np.where(second, "b", "a").astype(object) if task == "classification" else number
    return make_mudata(modalities, pd.DataFrame({"status": target}, index=samples), {})


def of_one_class(tables, profiled, second):
    tables["mono"], profiled["mono"] = np.random.default_rng(1).standard_normal((N, 5)) + second[:, None], ~second


def of_few_values(tables, profiled, _):
    tables["flat"], profiled["flat"] = np.ones((N, 4)), np.ones(N, dtype=bool)
    tables["flat"][:5, 2] = 9


def rounding(tables, profiled, _):
    of_few_values(tables, profiled, _)
    tables["flat"] = 1e6 + np.random.default_rng(2).random((N, 4))


def unmeasured(tables, profiled, second):
    """Values vary where there is no label to learn."""
    of_few_values(tables, profiled, second)
    tables["flat"][:, 1] = np.nan
    tables["flat"][:5, 1] = np.arange(5)


def hardly_together(tables, profiled, second):
    tables["mirna"] = np.random.default_rng(3).standard_normal((N, 6)) + 2 * second[:, None]
    profiled["mirna"] = (np.arange(N) >= 40) & ~(second & profiled["cnv"])


def everything(*names):
    of_one_class(*names)
    of_few_values(*names)
    hardly_together(*names)


def nothing(*_):
    return None


def cohort_of(change: Change, task: str = "classification", **columns: str) -> Cohort:
    row = SheetRow(cohort="c", source="x", target="status", task=task, **columns)
    return assemble(from_mudata(made(change, task=task), "x"), row, splits=SplitsConfig(**SPLITS))[0]


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        (of_one_class, "mono", "fewer than 6 patients with mono and status"),
        (of_few_values, "flat", "no feature of flat that differs from its median in 6 patients with flat and a status"),
        (rounding, "flat", "no feature of flat that differs from its median"),
        (unmeasured, "flat", "no feature of flat that differs from its median"),
    ],
)
def test_a_modality_that_cannot_learn_is_no_part_of_the_cohort(change: Change, name: str, said: str, task: str) -> None:
    cohort, plain = cohort_of(change, task), cohort_of(nothing, task)
    assert list(cohort.left_out) == [(name,)]
    (reason,) = cohort.left_out.values()
    assert reason.startswith(f"{name} is left out: {said}") and "splits.folds = 2" in reason
    assert is_left_out(cohort, name) and not is_left_out(cohort, "rna")
    assert views_of(cohort) == views_of(plain) == ["cnv", "rna"] and teachers_of(cohort, "rna") == ["cnv"]
    np.testing.assert_array_equal(cohort.samples, plain.samples)
    np.testing.assert_array_equal(cohort.target.strata, plain.target.strata)
    with pytest.raises(InputError, match="no view 'rnas'"):
        is_left_out(cohort, "rnas")


def test_samples_that_only_it_had_are_none() -> None:
    def change(tables, profiled, second):
        of_one_class(tables, profiled, second)
        profiled["rna"] = profiled["rna"] & ((np.arange(N) < 90) | second)

    cohort = cohort_of(change)
    assert ("mono",) in cohort.left_out and 90 <= len(cohort.samples) < N


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_pair_that_has_too_few_patients_is_left_out_alone(task: str) -> None:
    cohort = cohort_of(hardly_together, task, teachers="rna;cnv;mirna;rna+mirna;cnv+mirna")
    assert list(cohort.left_out) == [("cnv+mirna",), ("cnv", "mirna"), ("rna+mirna", "cnv")]
    assert "fewer than 6 patients with cnv and mirna and status" in cohort.left_out["cnv", "mirna"]
    assert "do not teach each other" in cohort.left_out["cnv", "mirna"]
    assert teachers_of(cohort, "cnv") == ["rna"]
    assert teachers_of(cohort, "mirna") == ["rna", "rna+mirna"]
    assert teachers_of(cohort, "rna") == ["cnv", "mirna", "rna+mirna"]


def test_a_view_needs_its_modalities() -> None:
    cohort = cohort_of(of_one_class, teachers="rna;mono;rna+mono;rna+cnv")
    assert cohort.teachers == ("rna", "rna+cnv")
    assert cohort.left_out["rna+mono",] == "rna+mono is left out: it needs mono."


def test_folds_by_site_need_two_sites() -> None:
    data = made(nothing)
    data.obs["tissue_source_site"] = np.where(np.arange(N) < 64, "A1", "B2")
    row = SheetRow(cohort="c", source="x", target="status")
    by_site = SplitsConfig(**SPLITS, by_site=True)
    cohort, _ = assemble(from_mudata(data, "x"), row, splits=by_site)
    assert "from one site only, which splits.by_site keeps in one fold" in cohort.left_out["cnv",]


def test_where_nothing_can_learn_the_row_is_refused() -> None:
    def change(tables, profiled, second):
        profiled["rna"], profiled["cnv"] = second, ~second

    with pytest.raises(InputError, match=r"cnv is left out: .*'b' \(0\).*rna is left out: .*'a' \(0\).*fewer folds"):
        cohort_of(change)
    with pytest.raises(InputError, match=r"found fewer than 50 patients with status 'a' \(48\), 'b' \(48\), which"):
        row = SheetRow(cohort="c", source="x", target="status")
        assemble(from_mudata(made(nothing), "x"), row, splits=SplitsConfig(folds=50))


def test_reasons_survive_the_file_and_are_in_the_audit(tmp_path: Path) -> None:
    row = SheetRow(cohort="c", source="x", target="status")
    cohort, notes = assemble(from_mudata(made(everything), "x"), row, splits=SplitsConfig(**SPLITS))
    write_cohort(cohort, tmp_path / "c.h5mu")
    assert read_cohort(tmp_path / "c.h5mu").left_out == cohort.left_out
    report = audit(cohort, notes)
    assert [tuple(each["views"]) for each in report["left_out"]] == [("flat",), ("mono",), ("cnv", "mirna")]
    assert report["warnings"][: len(report["left_out"])] == list(cohort.left_out.values())
    assert set(report["modalities"]) == {"rna", "cnv", "mirna"}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_notebook_is_warned() -> None:
    sections = {name: SETTINGS[name] for name in ("splits", "encoder", "information")}
    with pytest.warns(UserWarning, match="mono is left out: fewer than 6 patients"):
        table = tl.cch(made(of_one_class), target="status", criterion={"rule": "cch"}, **sections)
    assert set(table["teacher"]) == set(table["student"]) == {"rna", "cnv"}


def test_a_training_set_in_which_nothing_varies_is_no_obstacle() -> None:
    """Six patients are enough for the folds as a rule, but chance may put all of them into one."""

    def change(tables, profiled, second):
        of_few_values(tables, profiled, second)
        tables["flat"][:6, 2] = 9

    cohort, settings = cohort_of(change), SplitsConfig(**SPLITS)
    splits = make_splits(cohort, settings, seed=0)
    for s in range(len(splits.fold)):
        splits.inner[s, :6] = 0
    found = encode(cohort, splits, "flat", EncoderConfig(**SETTINGS["encoder"]), seed=0, device=torch.device("cpu"))
    assert np.isfinite(found.outputs).all()
    # Of the networks that have not seen them, and of nobody else.
    assert len(np.unique(found.representation[splits.full][splits.inner[splits.full] == 0], axis=0)) == 1
    assert len(np.unique(found.representation[splits.full][splits.inner[splits.full] == 1], axis=0)) == 1


# --- From the sheet to the report -------------------------------------------------------------------------------------


def results_of(folder: Path, change: Change, teachers: str = "", asked: str = "", *, page: bool = False) -> Path:
    """Run the steps that the workflow plans for a sheet, the page only if asked: drawing takes as long as the rest."""
    source, out = folder / "cohort.h5mu", folder / "results" / "c" / "status"
    files, data = out / "intermediate", made(change)
    write_mudata(data, source)
    row = {"cohort": "c", "source": str(source), "target": "status", "teachers": teachers, "modalities": asked}
    names = asked.split(",") if asked else sorted(data.mod)
    views = [*names, *(view for view in teachers.split(";") if "+" in view)]

    def step(name: str, **options: object) -> None:
        words = [name]
        for option, value in options.items():
            for each in value if isinstance(value, list) else [value]:
                words += [f"--{option.replace('_', '-')}", str(each)]
        settings = {section: SETTINGS[section] for section in STEPS[name].sections if section in SETTINGS}
        assert main([*words, *(["--settings", json.dumps(settings)] if settings else [])]) == 0

    files.mkdir(parents=True)
    (files / "encodings").mkdir()
    (files / "students").mkdir()
    read = {"cohort": files / "cohort.h5mu", "splits": files / "splits.npz"}
    step("ingest", row=json.dumps(row), audit=out / "audit.json", **read)
    encodings = [files / "encodings" / f"{view}.npz" for view in views]
    for view, file in zip(views, encodings, strict=True):
        step("encode", view=view, output=file, **read)
    students = [files / "students" / f"{name}.npz" for name in names]
    for name, file in zip(names, students, strict=True):
        step("distil", student=name, encodings=encodings, output=file, **read)
    step("baselines", output=files / "baselines.npz", **read)
    estimates = files / "information.tsv"
    step("information", encodings=encodings, estimates=estimates, table=out / "information.tsv", **read)
    decided = {name: out / f"{name}.tsv" for name in ("evidence", "verdicts", "teachers")}
    step("verdict", encodings=encodings, estimates=estimates, students=students, **decided, **read)
    tables = {name: out / f"{name}.tsv" for name in ("gains", "references", "scorecard")}
    tables |= {
        name: files / f"{name}.tsv"
        for name in ("summary", "performance", "comparisons", "members", "criteria", "advised", "predictions")
    }
    step(
        "evaluate", encodings=encodings, students=students, baselines=files / "baselines.npz",
        bundles=out / "students", **decided, **tables, **read,
    )  # fmt: skip
    if page:
        step("report", folder=out, output=out / "report.html")
    return out


def test_the_rest_is_what_it_is_without_them(tmp_path: Path) -> None:
    found = results_of(tmp_path / "all", everything, teachers="cnv;flat;mirna;mono;rna;rna+flat", page=True)
    plain = results_of(tmp_path / "plain", everything, asked="cnv,mirna,rna")
    for name in TABLES:
        assert (found / name).read_bytes() == (plain / name).read_bytes()
    for name in ("rna", "cnv", "mirna"):
        same = (each / "students" / name / "model.safetensors" for each in (found, plain))
        assert next(same).read_bytes() == next(same).read_bytes()
    assert {each.name for each in (found / "students").iterdir()} == {"rna", "cnv", "mirna"}
    assert set(read_table(found / "teachers.tsv")["student"]) == {"rna", "cnv", "mirna"}
    page = (found / "report.html").read_text()
    reasons = [each["reason"] for each in read_json(found / "audit.json")["left_out"]]
    assert len(reasons) == 4 and all(reason.replace("'", "&#39;") in page for reason in reasons)

    # A pair that is left out leaves the others what they are, but for the last digits.
    fewer = results_of(tmp_path / "fewer", everything, asked="cnv,rna")
    pairs, others = (read_table(each / "verdicts.tsv") for each in (found, fewer))
    assert set(zip(pairs["teacher"], pairs["student"], strict=True)) == {
        ("rna", "cnv"), ("cnv", "rna"), ("rna", "mirna"), ("mirna", "rna"),
    }  # fmt: skip
    key = ["teacher", "student", "recipe"]
    numbers = others.select_dtypes("number").columns
    both = others[key].merge(pairs, on=key)
    np.testing.assert_allclose(both[numbers], others[numbers], rtol=1e-3, atol=1e-5)

    # One modality that can learn has its student; there is no pair, on the page of all cohorts too.
    one = results_of(tmp_path / "one", of_one_class, asked="rna,mono", page=True)
    assert read_table(one / "verdicts.tsv").empty
    (row,) = read_table(one / "teachers.tsv").to_dict("records")
    assert row["student"] == "rna" and row["recipe"] == "alone" and row["verdict"] == "do_not_distil"
    assert [each.name for each in (one / "students").iterdir()] == ["rna"]
    assert "mono is left out" in (one / "report.html").read_text()
    for folders in ([found, one], [one]):
        words = [word for folder in folders for word in ("--folders", str(folder))]
        assert (
            main(
                [
                    "pool",
                    *words,
                    "--scorecard",
                    str(tmp_path / "s.tsv"),
                    "--output",
                    str(tmp_path / "p.html"),
                    "--multiqc",
                    str(tmp_path / "v_mqc.tsv"),
                ]
            )
            == 0
        )
