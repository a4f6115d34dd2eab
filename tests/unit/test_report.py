import html
import html.parser
import io
import re
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import yaml
from browser import needs_browser, shown
from report_tables import DOSE, OS, SUBTYPE, audit, tables, write_results

from cch_omics import keys
from cch_omics.config import ReportConfig
from cch_omics.errors import InputError
from cch_omics.report import write_multiqc, write_pooled_report, write_report
from cch_omics.report.answers import answers
from cch_omics.report.page import cohort_page
from cch_omics.report.pooled import pooled_page
from cch_omics.report.render import _environment
from cch_omics.report.results import read_results
from cch_omics.report.sentences import headline
from cch_omics.report.tables import Column, Row, Table
from cch_omics.runtime.formats import write_json
from cch_omics.vocabulary import VERDICTS, with_minus

TASKS = pytest.mark.parametrize("task", [SUBTYPE, DOSE, OS], ids=lambda task: task.name)
MODALITIES = ["rna", "mirna", "cnv"]
VOID = {"meta", "link", "br", "img", "hr"}


class Page(html.parser.HTMLParser):
    """Whether tags nest, what is asked from outside, ids and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.asked, self.tags, self.said, self.rows = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        self.ids += [given["id"]] if "id" in given else []
        self.asked += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script", "title"}:
            self.said.append(data)
        if self.open and "tr" in self.open and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.said))


def read(folder, task=SUBTYPE, **given):
    """Results of a folder made for the test."""
    return read_results(write_results(folder, MODALITIES, task, **given))


def page(folder, task=SUBTYPE, **given):
    return cohort_page(read(folder, task, **given), ReportConfig(), {"seed": 7})


@cache
def made_up_page(task=SUBTYPE, rule="pilot"):
    """The page of the cohort made-up with nothing special about it."""
    with TemporaryDirectory() as room:
        return page(Path(room) / "made-up" / "subtype", task, rule=rule)


def answer_of(results, student):
    return next(answer for answer in answers(results) if answer.student == student)


def caveats(results, student):
    return " ".join(answer_of(results, student).caveats)


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
    assert text.count("<script") == 1 and "@import" not in text and "://" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.asked if link.startswith("#") and len(link) > 1} <= set(parsed.ids)
    assert len(text.encode()) < 1_000_000


def test_page_is_accessible():
    parsed = Page(made_up_page())
    figures = [given for tag, given in parsed.tags if tag == "svg"]
    assert len(figures) == 3 + len(MODALITIES)
    assert all(given["role"] == "img" and given["aria-label"] for given in figures)
    tables_ = [tag for tag, _ in parsed.tags if tag == "table"]
    assert len([tag for tag, _ in parsed.tags if tag == "caption"]) == len(tables_) > 5
    assert all("scope" in given for tag, given in parsed.tags if tag == "th")
    assert ("html", {"lang": "en"}) in parsed.tags


@TASKS
def test_a_negative_number_has_one_minus(task):
    """Sentences of the tables, cells and what a pointer is told write "−0.3", and names keep their hyphens."""
    said = Page(made_up_page(task)).text
    assert "gained by −0." in said and "made-up" in said
    for name in task.strata_names:
        said = said.replace(name, "")
    assert not re.findall(r"(?<![\w.])-\d[^ ]*", said)


def test_same_results_make_the_same_page(tmp_path):
    assert made_up_page() == page(tmp_path / "made-up" / "subtype")


def test_everything_from_data_is_escaped(tmp_path):
    evil = "<script>alert('x')</script>"
    content = tables([evil, "rna"])
    for name, column in [("verdicts", "reason"), ("scorecard", "criterion"), ("scorecard", "cohort")]:
        content[name] = content[name].assign(**{column: evil})
    folder = write_results(tmp_path / "made-up" / "sub<b>type", [evil, "rna"], **content)
    text = cohort_page(read_results(folder), ReportConfig(title=evil), {evil: evil})
    assert text.count("<script") == 1 and "<b>type" not in text
    assert "&lt;script&gt;" in text


def test_verdict_evidence_and_gain_stand_side_by_side():
    text = Page(made_up_page()).text
    heads = text[text.index("What decided and what was gained") :]
    order = ["No.", "Verdict", "P(gain > 0)", "Pilot's gain", "Gap, nats", "Gain over alone", "Gain over self"]
    places = [heads.index(head) for head in order]
    assert places == sorted(places)


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


def test_a_rule_that_asks_nothing_is_said_to_ask_nothing(tmp_path):
    answer = answer_of(read(tmp_path / "c" / "t", rule="always"), "cnv")
    assert answer.certainty == "Pilots of cnv, taught by rna, gained by +0.80."


def test_gains_have_the_unit_of_their_metric():
    text = Page(made_up_page(DOSE)).text
    assert "gains in R²." in text and "of R²: consider that model instead" in text
    assert "balanced accuracy" not in text and "points of" not in text
    assert "ridge" in text and "logistic" not in text
    assert "below -1" in text and "from 1.5" in text


def test_survival_is_told_in_its_own_metrics():
    text = Page(made_up_page(OS)).text
    assert "gains in Uno's C." in text and "of Uno's C: consider that model instead" in text
    assert "survival (the time to an event, in days, until 2000)" in text
    assert "penalised Cox regression" in text and "integrated Brier score" in text
    assert "event before 500" in text and "censored from 900" in text
    assert "balanced accuracy" not in text and "points of" not in text


def test_an_advised_teacher_that_did_harm_is_said_to_disagree(tmp_path):
    results = read(tmp_path / "c" / "t", summary=with_gain(tables(MODALITIES), "cnv", "none", -0.05))
    assert answer_of(results, "cnv").verdict == keys.DISTIL
    assert "disagree: the teacher rna did harm" in caveats(results, "cnv")


def test_a_refused_teacher_that_gained_is_said_to_disagree(tmp_path):
    results = read(tmp_path / "c" / "t", summary=with_gain(tables(MODALITIES), "rna", "none", 0.05))
    assert answer_of(results, "rna").verdict == keys.DO_NOT_DISTIL
    assert "it gained +5.0 points over training alone" in caveats(results, "rna")


@pytest.mark.parametrize(
    ("control", "sentence"), [("none", "gain itself is not established"), ("self", "over the self")]
)
@pytest.mark.parametrize(("gain", "told"), [(0.05, False), (0.005, True)])
def test_a_gain_that_is_not_clear_is_said(tmp_path, control, sentence, gain, told):
    results = read(tmp_path / "c" / "t", summary=with_gain(tables(MODALITIES), "cnv", control, gain))
    assert (sentence in caveats(results, "cnv")) is told


MEASURED = ("gain", "difference", "mean", "ci_low", "ci_high")
EXTREMES = {
    "zero": lambda values: 0 * values,
    "less than is shown": lambda values: 1e-5 * values,
    "a loss less than is shown": lambda values: -1e-5 * values.abs(),
    "losses": lambda values: -values.abs(),
    "huge": lambda values: 1e6 * values,
    "missing": lambda values: np.nan * values,
}


@TASKS
@pytest.mark.parametrize("extreme", EXTREMES)
def test_nothing_is_lost_or_gained_by_zero(tmp_path, task, extreme):
    content = tables(MODALITIES, task)
    for name in ("summary", "comparisons", "performance"):
        columns = [column for column in MEASURED if column in content[name]]
        content[name][columns] = content[name][columns].apply(EXTREMES[extreme])
    results = read(tmp_path / "c" / "t", task, **content)
    text = Page(cohort_page(results, ReportConfig(), {})).text
    said = text[: text.index("Methods Splits")]
    assert not re.search(r"\bby [+−-]?0[.]0+ |gained [+−-]?0[.]0+ |\bnan\b|−0[.]0+ ", said)
    clear = extreme in ("losses", "huge")
    assert ("disagree" in said) <= clear and ("did harm on" in said) <= clear
    assert ("gain itself is not established" in said) == (extreme not in ("losses", "huge", "missing"))
    assert set(results.pairs["outcome"]) <= ({"harmed", "gained", "no clear difference"} if clear else {
        "not measured" if extreme == "missing" else "no clear difference"
    })  # fmt: skip


@TASKS
def test_where_nothing_is_better_than_chance_the_first_sentence_says_so(tmp_path, task):
    content = tables(MODALITIES, task)
    performance, chance = content["performance"], task.chance
    primary = performance["metric"] == task.primary

    def results_of(place, at_chance):
        rows = primary & performance["student"].isin(at_chance)
        changed = performance.copy()
        changed.loc[rows, ["mean", "ci_low", "ci_high"]] = chance + 0.02, chance - 0.01, chance + 0.05
        return read(tmp_path / place / "t", task, performance=changed)

    nothing = results_of("nothing", MODALITIES)
    text = Page(cohort_page(nothing, ReportConfig(), {})).text
    shown = {"classification": "balanced accuracy, %: 25.0", "regression": "R²: 0.000", "survival": "Uno's C: 0.500"}
    first = "No model, with or without a teacher, baselines included, is shown to predict t better than chance "
    first += f"({shown[task.name]})"
    assert f"The answer {first}" in text
    assert headline(nothing, answers(nothing)).startswith(first)
    assert "No model on cnv, baselines included, is shown" in caveats(nothing, "cnv")
    assert first in pooled((nothing, "")).text
    some = results_of("some", ["cnv"])
    assert "On cnv no model is shown to predict t better than chance" in headline(some, answers(some))
    assert "better than chance" in caveats(some, "cnv") and "better than chance" not in caveats(some, "rna")
    every = results_of("every", [])
    assert "chance" not in headline(every, answers(every))
    # One baseline is enough, and a perfect score, which has no interval, is no chance.
    linear = primary & (performance["model"] == "linear") & (performance["student"] == "rna")
    perfect = performance.assign(mean=performance["mean"].where(~primary, chance), ci_low=np.nan, ci_high=np.nan)
    perfect.loc[linear, "mean"] = task.metrics[task.primary].high
    assert read(tmp_path / "perfect" / "t", task, performance=perfect).at_chance == ["mirna", "cnv"]


def test_a_guess_that_did_harm_is_no_disagreement(tmp_path):
    content = tables(MODALITIES)
    for name in ("verdicts", "teachers"):
        content[name] = content[name].assign(verdict=content[name]["verdict"].replace(keys.DISTIL, keys.UNDECIDED))
    for gain, told in ((-0.05, True), (-0.0001, False)):
        content["summary"] = with_gain(content, "cnv", "none", gain, half=abs(gain) / 2)
        said = caveats(read(tmp_path / str(told) / "t", **content), "cnv")
        assert ("The teacher rna did harm on test patients" in said) is told and "disagree" not in said
        assert ("the student trained alone is delivered, and the taught one beside it" in said) is told


def test_every_figure_and_table_shows_the_gap_as_estimated():
    text = made_up_page()
    assert "corrected gap" not in text
    for heading in (
        "gap as estimated, nats",
        "gap as estimated,  I(",
        "Gap as estimated, in nats",
        "the gap, as estimated, ±",
    ):
        assert heading in text or heading.replace("  ", " ") in text


@TASKS
@pytest.mark.parametrize(("shift", "told"), [(-0.2, True), (0.2, False)])
def test_a_student_that_loses_to_a_baseline_is_said_to_lose(tmp_path, task, shift, told):
    comparisons = tables(MODALITIES, task)["comparisons"]
    for name in ("difference", "ci_low", "ci_high"):
        comparisons[name] += shift
    text = Page(page(tmp_path / "c" / "t", task, comparisons=comparisons)).text
    assert (f"loses to {task.baselines['linear'].title}" in text) is told
    assert ("falls behind a baseline" in text) is not told


def test_few_labels_and_circular_targets_are_said(tmp_path):
    folder = write_results(tmp_path / "c" / "t", MODALITIES)
    content = audit(MODALITIES)
    content["label_budget"]["strata"] = {"A": 0.15, "B": 0.15}
    labels = {"rna": (900, 900), "cnv": (300, 300), "mirna": (200, 26)}
    for name, counts in labels.items():
        content["modalities"][name]["strata"] = dict(zip("AB", counts, strict=True))
    write_json(content, folder / "audit.json")
    results = read_results(folder)
    rna, mirna = (caveats(results, name) for name in ("rna", "mirna"))
    assert "was defined from rna" in rna and "few labels" not in rna
    # Of 15% of the labels.
    assert "some 34 samples to train on, of which 4 have t B" in mirna and "was defined from" not in mirna


@pytest.mark.parametrize("names", [["only"], [f"omics{k}" for k in range(9)], ["x" * 120, "y" * 120]])
def test_odd_cohorts(tmp_path, names):
    results = read_results(write_results(tmp_path / "c" / "t", names))
    text = cohort_page(results, ReportConfig(max_rows=20), {})
    assert all(name in Page(text).text for name in names)
    assert len(text.encode()) < 3_000_000
    if len(names) == 1:
        assert "There is no other modality that could teach it" in text
    if len(names) > 2:
        assert "The first 20 of" in text


def test_missing_gains_and_gaps(tmp_path):
    content = tables(MODALITIES)
    content["verdicts"].loc[:, ["gap", "gap_se", "pilot_gain", "pilot_gain_se", "p_gain_positive"]] = np.nan
    for name in ("summary", "performance", "comparisons"):
        columns = [column for column in ("gain", "mean", "difference", "ci_low", "ci_high") if column in content[name]]
        content[name].loc[:, columns] = np.nan
    made = page(tmp_path / "c" / "t", **content)
    text = Page(made).text
    assert "not estimated" in text and "not measured" in text
    assert not re.search(r"\bnan\b", text) and not re.search(r"<title>[^<]*\bnan\b", made)


def test_a_card_says_what_the_model_is_made_of_and_what_was_left_out(tmp_path):
    """`report_tables` has every model without the screened member."""
    write_results(tmp_path / "made-up" / "subtype", MODALITIES)
    for answer in answers(read_results(tmp_path / "made-up" / "subtype")):
        assert answer.made == (
            "It is the average of a network on principal components and a linear model of all features. A linear model "
            "of 40 screened features was left out: it is clearly worse on patients whose labels were held out."
        )
        assert answer.advice.endswith(".") and "average" not in answer.advice


def test_no_baselines_no_scorecard(tmp_path):
    content = {
        name: table.iloc[:0] for name, table in tables(MODALITIES).items() if name in ("comparisons", "scorecard")
    }
    text = Page(page(tmp_path / "c" / "t", **content)).text
    assert "No baseline was fitted" in text


def test_missing_column_is_named(tmp_path):
    content = tables(MODALITIES)
    folder = write_results(tmp_path / "c" / "t", MODALITIES, verdicts=content["verdicts"].drop(columns="gap"))
    with pytest.raises(InputError, match="no column gap"):
        read_results(folder)


def test_missing_file_is_named(tmp_path):
    folder = write_results(tmp_path / "c" / "t", MODALITIES)
    (folder / "intermediate" / "summary.tsv").unlink()
    with pytest.raises(InputError, match=r"summary\.tsv"):
        read_results(folder)


def pooled(*entries, scorecard=None, unfinished=()):
    every = pd.concat([results.scorecard for results, _ in entries]) if scorecard is None else scorecard
    return Page(pooled_page(entries, ReportConfig(), every, unfinished))


def test_pooled_page_has_every_cohort(tmp_path):
    entries = [
        (read(tmp_path / name / "subtype", seed=seed), link)
        for seed, (name, link) in enumerate([("one", "one/subtype/report.html"), ("two", "")])
    ]
    parsed = pooled(*entries)
    assert all(link.startswith(("#", "data:,", "one/")) for link in parsed.asked)
    assert "one, subtype" in parsed.text and "two, subtype" in parsed.text
    assert parsed.text.count("mirna → cnv") >= 2


def test_pooled_page_never_mixes_metrics(tmp_path):
    entries = [(read(tmp_path / "one" / "subtype"), ""), (read(tmp_path / "two" / "dose", DOSE), "")]
    sums = [
        results.scorecard.assign(cohort="all", target="all", n_pairs=n)
        for n, (results, _) in zip((71, 72), entries, strict=True)
    ]
    parsed = pooled(*entries, scorecard=pd.concat([*sums, *(results.scorecard for results, _ in entries)]))
    assert len(parsed.ids) == len(set(parsed.ids))
    start, second = parsed.text.index("Gains in balanced accuracy"), parsed.text.index("Gains in R²")
    first, other = parsed.text[start:second], parsed.text[second:]
    assert "one, subtype" in first and "two, dose" not in first and "R²" not in first
    assert "two, dose" in other and "one, subtype" not in other and "balanced accuracy" not in other
    assert "all cohorts pilot students 71" in first and "all cohorts pilot students 72" in other


@TASKS
def test_multiqc_is_told_the_verdict_of_every_pair(tmp_path, task):
    folders = [write_results(tmp_path / name / "target", MODALITIES, task) for name in ("one", "two")]
    write_multiqc(folders, tmp_path / "verdicts_mqc.tsv")
    lines = (tmp_path / "verdicts_mqc.tsv").read_text(encoding="utf-8").splitlines()
    head = yaml.safe_load("\n".join(line[1:] for line in lines if line.startswith("#")))
    assert head["plot_type"] == "table" and head["file_format"] == "tsv"
    table = pd.read_csv(io.StringIO("\n".join(line for line in lines if not line.startswith("#"))), sep="\t")
    # What MultiQC takes for one sample has one row.
    assert table.columns[0] == "Sample" and table["Sample"].is_unique
    assert list(head["headers"]) == list(table.columns[1:])
    assert set(table["Sample"].str.partition(",")[0]) == {"one", "two"}
    results = read_results(folders[0])
    assert len(table) == 2 * len(results.verdicts)
    assert (table["Chosen"] == "yes").sum() == 2 * results.teachers["teacher"].ne("").sum()
    assert table["Gap, nats"].to_numpy()[: len(results.verdicts)] == pytest.approx(results.verdicts["gap"].to_numpy())
    assert set(table["Verdict"]) <= set(VERDICTS.values())


def test_pooled_page_names_the_cohorts_that_failed(tmp_path):
    sentence = "two, subtype: ingest failed, see logs/two/subtype/ingest.log (error: column <x>)"
    entry = read(tmp_path / "one" / "subtype"), ""
    assert sentence in pooled(entry, unfinished=[sentence]).text
    assert "could not finish" not in pooled(entry).text


def test_pages_are_written_from_folders(tmp_path):
    folder = write_results(tmp_path / "made-up" / "subtype", MODALITIES)
    write_report(folder, folder / "report.html", ReportConfig(), configuration={"seed": 7})
    text = Page((folder / "report.html").read_text(encoding="utf-8")).text
    assert "659 patients, 3 modalities, 597 labelled samples; classification (LumA, LumB, Her2, Basal)" in text
    assert '"seed": 7' in text and "CC BY-NC-ND" in text
    assert "What the students learnt A weight is what one standard deviation of a feature adds to the log-prob" in text
    assert "rna11 for LumA" not in text and "cnv0 for LumA" in text
    # rna has no teacher that could have changed a weight.
    taught = pd.read_table(folder / "teachers.tsv", keep_default_na=False).query("teacher != ''")["student"]
    assert set(taught) == {"mirna", "cnv"}
    changed = text.partition("its teacher raised most, in absolute value")[2].partition("All metrics")[0].split()
    assert [name for name in changed if name in MODALITIES] == ["mirna", "cnv"]
    (folder / "students" / "cnv" / "features.tsv").unlink()
    with pytest.raises(InputError, match=r"cnv/features\.tsv: found no such file"):
        write_report(folder, folder / "report.html", ReportConfig(), configuration={})
    scores = tables(MODALITIES)["scorecard"]
    write_pooled_report([folder], tmp_path / "report.html", ReportConfig(), scorecard=scores)
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


def acted(page, room, driver):
    """The document after the page's own script and one of the test's have run, which the policy would not let run."""
    return shown(re.sub("<meta http-equiv[^>]*>", "", page), room, driver=driver)


@needs_browser
def test_a_click_on_a_heading_sorts_the_rows_of_each_group(tmp_path):
    """By number or by text, with what has none last; a second click turns the order round."""
    cells = ["\u22120.5", "< 1%", "1%", "12 (3 to 4)", "not estimated", "1,000", "> 99%", ""]
    rows = [Row((f"m{9 - place}", cell)) for place, cell in enumerate(cells)]
    content = Table(
        "made up",
        [Column("Model"), Column("Score", number=True)],
        [*rows, Row(group="rest"), Row(("b", "2")), Row(("a", "1"))],
        "x",
    )
    page = _environment().from_string('{% from "base.html" import table with context %}{{ table(content) }}')
    others = dict.fromkeys(("css", "script", "script_hash", "versions", "symbols", "verdict_words"), "")
    body = page.render(content=content, max_rows=99, **others)
    page = made_up_page().replace("<main>", f"<main>{body}", 1)

    def sorted_by(document):
        return re.findall('<th[^>]* aria-sort="(.*?)"', document)

    def order(clicks):
        driver = "const heads = document.querySelectorAll('main table')[0].querySelectorAll('thead button');"
        document = acted(page, tmp_path, driver + "".join(f"heads[{column}].click();" for column in clicks))
        rows = Page(document).rows[1:]
        return [cells[-1] for cells in rows[: rows.index(["rest"])]], rows[rows.index(["rest"]) + 1 :][:2], document

    smaller, rest, document = order([1])
    assert smaller == ["\u22120.5", "< 1%", "1%", "12 (3 to 4)", "> 99%", "1,000", "not estimated", ""]
    assert rest == [["a", "1"], ["b", "2"]] and sorted_by(document) == ["ascending"]
    larger, rest, document = order([0, 1, 1])
    assert larger[:6] == smaller[:6][::-1] and set(larger[6:]) == {"not estimated", ""}
    assert rest == [["b", "2"], ["a", "1"]] and sorted_by(document) == ["descending"]
    assert order([0])[0] == cells[::-1]


@needs_browser
def test_no_table_of_the_pooled_page_is_cut_on_a_desk(tmp_path):
    """With names of a usual length; on a phone it scrolls."""
    names = ["methylation", "mirna", "rna"]
    results = [
        read_results(write_results(tmp_path / cohort / "pam50", names)) for cohort in ("tcga-brca-few-labels", "luad")
    ]
    entries = [(each, "page.html") for each in results]
    page = pooled_page(entries, ReportConfig(), pd.concat([each.scorecard for each in results]), ())
    width = """
    document.body.style.width = "1200px";
    const boxes = [...document.querySelectorAll(".tablebox")];
    document.body.dataset.cut = boxes.length + ":" + boxes.map((box) => box.scrollWidth - box.clientWidth).join();
    """
    (cut,) = re.findall('data-cut="3:(.*?)"', acted(page, tmp_path, width))
    assert cut == "0,0,0"


@needs_browser
def test_figures_give_their_data_and_picture_and_say_values_where_the_pointer_is(tmp_path):
    """Under the page's own policy the script runs; what it saves is caught."""
    page = made_up_page()
    opened = shown(page, tmp_path)
    assert opened.count(">data (CSV)</button>") == opened.count('class="figure') > 5
    catch = """
    URL.createObjectURL = (blob) => { blob.text().then((text) => {
      const said = document.createElement("pre");
      said.textContent = blob.type + "|" + text;
      document.body.append(said); });
      return "#"; };
    for (const button of [...document.querySelectorAll(".save")][0].querySelectorAll("button")) button.click();
    """
    document = acted(page, tmp_path, catch)
    saved = dict(each.split("|", 1) for each in re.findall(r"<pre>((?:text|image)/.*?)</pre>", document, re.DOTALL))
    assert set(saved) == {"text/csv", "image/svg+xml", "image/png"}
    read_back = pd.read_csv(io.StringIO(saved["text/csv"]))
    verdicts = tables(MODALITIES)["verdicts"]
    assert read_back["gap"].to_numpy() == pytest.approx(verdicts["gap"].to_numpy(), rel=1e-4)
    assert 'xmlns="http://www.w3.org/2000/svg"' in html.unescape(saved["image/svg+xml"])
    first = verdicts.iloc[0]
    said = f"{first['teacher']} → {first['student']}: gap {first['gap']:+.3g} ± {first['gap_se']:.2g} nats"
    assert f"<title>{with_minus(said)}; {VERDICTS[first['verdict']]}</title>" in page


@needs_browser
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
