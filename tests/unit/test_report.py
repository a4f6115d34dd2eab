import html.parser
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from report_tables import DOSE, SUBTYPE, tables, write_results

from cch_omics import keys
from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.config import ReportConfig
from cch_omics.data.mudata import write_cohort
from cch_omics.errors import InputError
from cch_omics.models.out_of_fold import Encoding, save_encoding
from cch_omics.report import write_pooled_report, write_report
from cch_omics.report.answers import answers
from cch_omics.report.material import LabelCounts, Material, describe, held_out_view
from cch_omics.report.page import cohort_page
from cch_omics.report.pooled import Entry, pooled_page
from cch_omics.report.results import read_results
from cch_omics.splits import Splits, save_splits
from cch_omics.tasks.classification import Classification

TASKS = pytest.mark.parametrize("task", [SUBTYPE, DOSE], ids=lambda task: task.name)
MODALITIES = ["rna", "mirna", "cnv"]
VOID = {"meta", "link", "br", "img", "hr"}


class Page(html.parser.HTMLParser):
    """Whether tags nest, what is asked from outside, ids and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.asked, self.tags, self.said = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.asked += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.said.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.said))


def cohort_and_splits(task=None, *, budget=1.0):
    random = np.random.default_rng(0)
    n = 60
    strata = np.arange(n) % 3 - (np.arange(n) % 10 == 0)
    task = task or Classification(("A", "B", "C"))
    values = strata if task.name == "classification" else random.normal(size=n)
    values = np.where(strata >= 0, values, np.nan).astype(np.float64)
    modalities = {
        name: Modality(
            random.normal(size=(n - lost, 4)).astype(np.float32), np.array(list("wxyz")), np.arange(n - lost)
        )
        for name, lost in zip(MODALITIES, (5, 0, 9), strict=True)
    }
    samples = np.array([f"s{k:02}" for k in range(n)])
    groups = np.array([f"p{k:02}" for k in range(n)])
    target = Target("subtype", task, values)
    cohort = Cohort("made-up", samples, groups, np.full(n, ""), target, modalities, tuple(MODALITIES), budget)
    inner = np.tile(np.arange(n) % 4, (3, 1))
    inner[0, :30], inner[1, 30:] = -1, -1
    labelled = (inner >= 0) & (strata >= 0) & (np.arange(n) < n * budget)
    return cohort, Splits(np.array([0, 0, -1]), np.array([0, 1, -1]), inner, labelled)


def encoding(splits):
    shape = splits.inner.shape
    values = np.random.default_rng(1).normal(size=(*shape, 6)).astype(np.float32)
    return Encoding(values, values[..., :3], values[:, None, :, :3], np.zeros(shape[0], dtype=np.int64))


def material(task=None, *, budget=1.0):
    cohort, splits = cohort_and_splits(task, budget=budget)
    return describe(cohort, splits, [held_out_view(cohort, splits, encoding(splits), name) for name in MODALITIES])


def page(folder, task=SUBTYPE, *, given=None, shown=None, date="2026-01-31", rule="pilot"):
    write_results(folder, MODALITIES, task, rule=rule, **(given or {}))
    return cohort_page(read_results(folder, task), shown or material(task), ReportConfig(), date=date)


@cache
def made_up_page(task=SUBTYPE, rule="pilot"):
    """The page of the cohort made-up with nothing special about it."""
    with TemporaryDirectory() as room:
        return page(Path(room) / "made-up" / "subtype", task, rule=rule)


def read(folder, task=SUBTYPE, **given):
    """Results of a folder made for the test."""
    return read_results(write_results(folder, MODALITIES, task, **given), task)


def answer_of(results, student, counts=None):
    return next(answer for answer in answers(results, counts or {}) if answer.student == student)


def with_gain(content, student, control, gain, half=0.01):
    """Summary in which the gain in balanced accuracy of a student's pairs over a control is `gain`."""
    summary = content["summary"].copy()
    rows = (summary["student"] == student) & (summary["control"] == control)
    rows &= summary["metric"] == SUBTYPE.primary
    summary.loc[rows, ["gain", "ci_low", "ci_high"]] = gain, gain - half, gain + half
    return summary


@TASKS
def test_page_is_self_contained_well_formed_and_small(task):
    text = made_up_page(task)
    parsed = Page(text)
    assert all(link.startswith(("#", "data:,")) for link in parsed.asked)
    assert "<script" not in text and "@import" not in text and "http" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.asked if link.startswith("#") and len(link) > 1} <= set(parsed.ids)
    assert len(text.encode()) < 1_000_000


def test_page_is_accessible():
    parsed = Page(made_up_page())
    figures = [given for tag, given in parsed.tags if tag == "svg"]
    assert len(figures) == 3 + 2 * len(MODALITIES)
    assert all(given["role"] == "img" and given["aria-label"] for given in figures)
    tables_ = [tag for tag, _ in parsed.tags if tag == "table"]
    assert len([tag for tag, _ in parsed.tags if tag == "caption"]) == len(tables_) > 5
    assert all("scope" in given for tag, given in parsed.tags if tag == "th")
    assert ("html", {"lang": "en"}) in parsed.tags


def test_same_results_make_the_same_page_apart_from_the_date(tmp_path):
    one = made_up_page()
    two = page(tmp_path / "made-up" / "subtype", date="2027-12-01")
    assert one != two
    assert one.replace("2026-01-31", "") == two.replace("2027-12-01", "")


def test_everything_from_data_is_escaped(tmp_path):
    evil = "<script>alert('x')</script>"
    content = tables(MODALITIES)
    for name, column in [("verdicts", "reason"), ("scorecard", "criterion"), ("teachers", "rule")]:
        content[name] = content[name].assign(**{column: evil})
    for table in content.values():
        for column in ("teacher", "student"):
            if column in table:
                table[column] = table[column].replace("cnv", evil)
        if "model" in table:
            table["model"] = table["model"].str.replace("cnv", evil, regex=False)
    text = page(tmp_path / "made-up" / "sub<b>type", given=content)
    assert "<script" not in text and "<b>type" not in text
    assert "&lt;script&gt;" in text


def test_sign_of_the_gap_and_realised_gain_stand_side_by_side():
    text = Page(made_up_page()).text
    of_table = text[text.index("Sign of gap") :]
    assert of_table.index("Gain over alone") < of_table.index("Verdict") < of_table.index("Gain over self")


def test_each_verdict_comes_with_its_evidence(tmp_path):
    content = tables(MODALITIES)
    content["verdicts"].loc[0, "flags"] = "ties;few_samples"
    text = Page(page(tmp_path / "made-up" / "subtype", given=content)).text
    evidence = text[text.index("The evidence in numbers") :]
    row = content["verdicts"].iloc[0]
    assert f"{row['teacher']} → {row['student']}" in evidence
    for head in ("Gap, ksg-ross", "Gap, gaussian-ross", "Pilot's gain, points", "Teacher's information, nats"):
        assert head in evidence
    assert "ties, few samples" in evidence
    # Drawn, not printed.
    assert "<svg" not in text


@pytest.mark.parametrize(
    ("rule", "by", "certainty"),
    [
        ("pilot", "It decides by P(gain > 0).", "Probability that cnv gains from rna: > 99%."),
        ("cch", "It decides by the gap.", "Gap of rna and cnv: +0."),
        ("cch_calibrated", "It decides by P(gap > 0).", "Probability that the gap of rna and cnv is positive: > 99%."),
    ],
)
def test_the_rule_in_force_and_what_decided_are_said(rule, by, certainty):
    text = Page(made_up_page(rule=rule)).text
    assert "The rule in force is" in text and by in text
    assert certainty in text
    others = [
        other
        for other in ("Probability that cnv gains", "Gap of rna", "Probability that the gap")
        if other not in certainty
    ]
    assert all(other not in text for other in others)


def test_a_rule_that_asks_nothing_is_said_to_ask_nothing(tmp_path):
    answer = answer_of(read(tmp_path / "c" / "t", rule="always"), "cnv")
    assert answer.certainty == ("Pilots of cnv, taught by rna, gained +8.0 ± 1.0 points.",)


def test_gains_have_the_unit_of_their_metric():
    text = Page(made_up_page(DOSE)).text
    assert "points of R²" in text and "balanced accuracy" not in text
    assert "ridge" in text and "logistic" not in text
    assert "below -1" in text and "from 1.5" in text


def test_an_advised_teacher_that_did_harm_is_said_to_disagree(tmp_path):
    summary = with_gain(tables(MODALITIES), "cnv", "none", -0.05)
    answer = answer_of(read(tmp_path / "c" / "t", summary=summary), "cnv")
    assert answer.verdict == keys.DISTIL
    said = [caveat.text for caveat in answer.caveats]
    assert any("disagree" in text and "did harm" in text and "−5.0 points" in text for text in said)


def test_a_refused_teacher_that_gained_is_said_to_disagree(tmp_path):
    summary = with_gain(tables(MODALITIES), "rna", "none", 0.05)
    answer = answer_of(read(tmp_path / "c" / "t", summary=summary), "rna")
    assert answer.verdict == keys.DO_NOT_DISTIL
    assert any("disagree" in caveat.text and "+5.0 points" in caveat.text for caveat in answer.caveats)


@pytest.mark.parametrize(("gain", "told"), [(0.05, False), (0.005, True), (-0.05, True)])
def test_a_gain_that_is_not_beyond_self_is_said(tmp_path, gain, told):
    summary = with_gain(tables(MODALITIES), "cnv", "self", gain)
    short = [caveat.short for caveat in answer_of(read(tmp_path / "c" / "t", summary=summary), "cnv").caveats]
    assert ("gain not beyond the self control" in short) is told


@TASKS
@pytest.mark.parametrize(("shift", "told"), [(-0.2, True), (0.2, False)])
def test_a_student_that_loses_to_a_baseline_is_said_to_lose(tmp_path, task, shift, told):
    comparisons = tables(MODALITIES, task)["comparisons"]
    for name in ("difference", "ci_low", "ci_high"):
        comparisons[name] += shift
    text = Page(page(tmp_path / "c" / "t", task, given={"comparisons": comparisons})).text
    assert (f"loses to {task.baselines['linear'].title}" in text) is told
    assert ("falls behind a baseline" in text) is not told


def test_few_labels_absent_strata_and_circular_targets_are_said(tmp_path):
    counts = {
        "rna": LabelCounts(("A", "B"), (100, 100), (100, 100)),
        "cnv": LabelCounts(("A", "B"), (30, 0), (30, 0)),
        "mirna": LabelCounts(("A", "B"), (30, 4), (200, 60)),
    }
    short = {
        answer.student: [caveat.short for caveat in answer.caveats]
        for answer in answers(read(tmp_path / "c" / "t"), counts)
    }
    assert "target defined from this omics" in short["rna"] and "few labels (4 with B)" not in short["rna"]
    assert "few labels (4 with B)" in short["mirna"] and "target defined from this omics" not in short["mirna"]
    assert "no patient with t B" in short["cnv"]


def test_held_out_view_is_one_inner_fold_of_the_full_cohort():
    cohort, splits = cohort_and_splits()
    made = encoding(splits)
    view = held_out_view(cohort, splits, made, "rna")
    rows = np.flatnonzero((splits.inner[-1] == 0) & cohort.profiled("rna"))
    assert np.array_equal(view.strata, cohort.target.strata[rows])
    # Other folds and other splits have axes of their own: nothing of them may reach the picture.
    others = np.ones(made.representation.shape[:2], dtype=bool)
    others[-1, rows] = False
    made.representation[others] = 1e6
    assert np.array_equal(held_out_view(cohort, splits, made, "rna").points, view.points)


def test_labels_outside_the_budget_are_not_counted_as_usable():
    cohort, splits = cohort_and_splits(budget=0.5)
    counts = describe(cohort, splits).counts["rna"]
    assert 0 < sum(counts.usable) < sum(counts.known)


@pytest.mark.parametrize("names", [["only"], [f"omics{k}" for k in range(9)], ["x" * 120, "y" * 120]])
def test_odd_cohorts(tmp_path, names):
    results = read_results(write_results(tmp_path / "c" / "t", names), SUBTYPE)
    text = cohort_page(results, Material(), ReportConfig(max_rows=20))
    assert all(name in Page(text).text for name in names)
    assert len(text.encode()) < 3_000_000
    if len(names) == 1:
        assert "There is no other omics that could teach it" in text
    if len(names) > 2:
        assert "The first 20 of" in text


def test_missing_gains_and_gaps(tmp_path):
    content = tables(MODALITIES)
    content["verdicts"].loc[:, ["gap", "gap_se", "pilot_gain", "pilot_gain_se", "p_gain_positive"]] = np.nan
    for name in ("summary", "performance", "comparisons"):
        columns = [column for column in ("gain", "mean", "difference", "ci_low", "ci_high") if column in content[name]]
        content[name].loc[:, columns] = np.nan
    text = Page(page(tmp_path / "c" / "t", given=content)).text
    assert "not estimated" in text and "not measured" in text
    assert not re.search(r"\bnan\b", text)


def test_no_baselines_no_scorecard(tmp_path):
    content = {
        name: table.iloc[:0] for name, table in tables(MODALITIES).items() if name in ("comparisons", "scorecard")
    }
    text = Page(page(tmp_path / "c" / "t", given=content)).text
    assert "No baseline was fitted" in text


def test_missing_column_is_named(tmp_path):
    content = tables(MODALITIES)
    folder = write_results(tmp_path / "c" / "t", MODALITIES, verdicts=content["verdicts"].drop(columns="gap"))
    with pytest.raises(InputError, match="no column gap"):
        read_results(folder, SUBTYPE)


def test_missing_file_is_named(tmp_path):
    folder = write_results(tmp_path / "c" / "t", MODALITIES)
    (folder / "intermediate" / "summary.tsv").unlink()
    with pytest.raises(InputError, match=r"summary\.tsv"):
        read_results(folder, SUBTYPE)


def test_pooled_page_has_every_cohort(tmp_path):
    entries = [
        Entry(read(tmp_path / name / "subtype", seed=seed), material(), link)
        for seed, (name, link) in enumerate([("one", "one/subtype/report.html"), ("two", "")])
    ]
    parsed = Page(pooled_page(entries, ReportConfig(), date="2026-01-31"))
    assert all(link.startswith(("#", "data:,", "one/")) for link in parsed.asked)
    assert "one, subtype" in parsed.text and "two, subtype" in parsed.text
    assert parsed.text.count("mirna → cnv") >= 2


def test_pooled_page_never_mixes_metrics(tmp_path):
    entries = [
        Entry(read(tmp_path / "one" / "subtype"), material()),
        Entry(read(tmp_path / "two" / "dose", DOSE), material(DOSE)),
    ]
    parsed = Page(pooled_page(entries, ReportConfig()))
    assert len(parsed.ids) == len(set(parsed.ids))
    start, second = parsed.text.index("Gains in balanced accuracy"), parsed.text.index("Gains in R²")
    first, other = parsed.text[start:second], parsed.text[second:]
    assert "one, subtype" in first and "two, dose" not in first and "R²" not in first
    assert "two, dose" in other and "one, subtype" not in other and "balanced accuracy" not in other


def test_pooled_page_names_the_cohorts_that_failed(tmp_path):
    sentence = "two, subtype: ingest failed, see logs/two/subtype/ingest.log (error: column <x>)"
    entries = [Entry(read(tmp_path / "one" / "subtype"), material())]
    with_it, without = (Page(pooled_page(entries, ReportConfig(), unfinished=said)).text for said in ([sentence], []))
    assert sentence in with_it
    assert "could not finish" in with_it
    assert "could not finish" not in without


def test_pooled_summary_rows_are_shown_with_their_metric(tmp_path):
    entries = [
        Entry(read(tmp_path / "one" / "subtype"), material()),
        Entry(read(tmp_path / "two" / "dose", DOSE), material(DOSE)),
    ]
    every = pd.concat([entry.results.scorecard for entry in entries])
    sums = [
        entry.results.scorecard.assign(cohort="all", target="all", n_pairs=n)
        for n, entry in zip((71, 72), entries, strict=True)
    ]
    text = Page(pooled_page(entries, ReportConfig(), scorecard=pd.concat([*sums, every]))).text
    first, second = text.split("Gains in R²")
    assert "all, all pilot students 71" in first and "all, all pilot students 72" in second


def test_pages_are_written_from_folders(tmp_path):
    folder = write_results(tmp_path / "made-up" / "subtype", MODALITIES)
    cohort, splits = cohort_and_splits()
    write_cohort(cohort, folder / "intermediate" / "cohort.h5mu")
    save_splits(splits, folder / "intermediate" / "splits.npz")
    (folder / "intermediate" / "encodings").mkdir()
    for name in MODALITIES:
        save_encoding(encoding(splits), folder / "intermediate" / "encodings" / f"{name}.npz")
    write_report(folder, folder / "report.html", configuration={"seed": 7}, date="2026-01-31")
    text = Page((folder / "report.html").read_text(encoding="utf-8")).text
    assert (
        "60 patients, 3 omics, 58 labelled samples; classification (A, B, C)." in text
        and '"seed": 7' in text
        and "CC BY-NC-ND" in text
    )
    assert "held-out patients" in text
    write_pooled_report([folder], tmp_path / "report.html")
    assert "made-up/subtype/report.html" in Page((tmp_path / "report.html").read_text(encoding="utf-8")).asked


# Where the browser itself calls home, whatever it shows.
OWN_HOSTS = ("google.com", "googleapis.com", "gvt1.com", "gstatic.com")


def browse(file, room):
    """Standard error of a headless browser that opens a page, and the hosts it asked for something."""
    log = room / f"{file.stem}.json"
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            f"--user-data-dir={room / 'profile'}", f"--log-net-log={log}", "--dump-dom", f"file://{file}",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "</html>" in done.stdout
    asked = set(re.findall(r'"url":"(?:https?|wss?)://([^/:"]+)', log.read_text(encoding="utf-8")))
    return done.stderr, {host for host in asked if not host.endswith(OWN_HOSTS)}


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
@TASKS
def test_browser_opens_the_page_without_errors_or_requests(tmp_path, task):
    file = tmp_path / "report.html"
    file.write_text(made_up_page(task), encoding="utf-8")
    said, asked = browse(file, tmp_path)
    assert "CONSOLE" not in said
    assert asked == set()
    # Both would be noticed.
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<html><img src='http://page.invalid/x'><script>console.error('oh')</script></html>", encoding="utf-8"
    )
    said, asked = browse(bad, tmp_path)
    assert "CONSOLE" in said
    assert asked == {"page.invalid"}
