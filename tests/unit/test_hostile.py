"""Texts of users are data: nothing in them runs on a page, in a card, in a spreadsheet or on a terminal."""

import html
import io
import json
import logging
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import pandas as pd
import pytest
from browser import HOSTILE, IN_TERMINAL, Read, needs_browser, ran, shown
from hypothesis import given
from report_tables import audit, tables, write_results

from cch_omics.cli import main
from cch_omics.config import ReportConfig, SheetRow, check_modality, section, teachers_of_row
from cch_omics.errors import InputError, visible
from cch_omics.report import write_pooled_report, write_report
from cch_omics.report.figures import gap_matrix
from cch_omics.runtime import logs
from cch_omics.runtime.formats import is_formula, read_table, table_text, write_json, write_table
from cch_omics.student.card import escape
from cch_omics.tasks.classification import Classification

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages whose every name is hostile, as far as a name of a file may be; the path of the pooled one."""
    room = tmp_path_factory.mktemp("hostile")
    classes = Classification((HOSTILE[0], HOSTILE[1], *HOSTILE[5:7]))
    names = [f"{text} {number}" for number, text in enumerate(HOSTILE[:3])]
    settings = ReportConfig.model_construct(title="".join(HOSTILE), max_rows=200)
    folders = []
    for cohort, target in ((f"javascript:{HOSTILE[4]}", "<img src=x onerror=alert(1)>"), ("a#b?c%20", "'\">")):
        content = tables(names, classes, cohort=HOSTILE[0], target=HOSTILE[1])
        for name, column in (("verdicts", "reason"), ("scorecard", "criterion")):
            content[name][column] = [HOSTILE[place % len(HOSTILE)] for place in range(len(content[name]))]
        folder = write_results(room / cohort / target, names, classes, **content)
        said = audit(names, classes)
        for number, entry in enumerate(said["leakage"].values()):
            entry |= {"feature": HOSTILE[3 + number], "stratum": HOSTILE[6 + number]}
        of_source = {"source": " ".join(HOSTILE), "origin": {text: text for text in HOSTILE}, "warnings": HOSTILE}
        write_json(said | of_source, folder / "audit.json")
        write_report(folder, folder / "report.html", settings, configuration={text: text for text in HOSTILE})
        folders.append(folder)
    score = pd.concat([read_table(folder / "scorecard.tsv") for folder in folders])
    write_pooled_report(folders, room / "report.html", settings, scorecard=score, unfinished=HOSTILE)
    return room / "report.html"


def pages(pooled: Path) -> list[Path]:
    return [pooled, *sorted(pooled.parent.glob("*/*/report.html"))]


@needs_browser
def test_nothing_runs_on_a_page_and_all_of_it_is_read(results: Path, tmp_path: Path) -> None:
    assert len(pages(results)) == 3
    for page in pages(results)[:2]:
        text = page.read_text(encoding="utf-8")
        assert "Content-Security-Policy" in text
        # Without the policy too, which is the second wall.
        document = shown(re.sub("<meta http-equiv[^>]*>", "", text), tmp_path)
        assert not ran(document)
        read = Read(document)
        assert read.acting == ["<script>"] and text.count("<script>") == 1
        assert not CONTROL.search(read.text)
        for each in HOSTILE:
            assert visible(each, keep="\n") in read.text, each


@needs_browser
def test_the_policy_stops_what_would_run_and_the_test_would_notice(results: Path, tmp_path: Path) -> None:
    text = results.read_text(encoding="utf-8")
    for hostile in HOSTILE[:3]:
        open_page = text.replace("<main>", f"<main><p>{hostile}</p>", 1)
        assert not ran(shown(open_page, tmp_path))
    open_page = re.sub("<meta http-equiv[^>]*>", "", text).replace("<main>", f"<main><p>{''.join(HOSTILE[:3])}</p>", 1)
    document = shown(open_page, tmp_path)
    assert ran(document) and len(Read(document).acting) >= 3


def test_all_warnings_of_the_audit_are_on_the_page(results: Path) -> None:
    page = pages(results)[1]
    text = html.unescape(page.read_text(encoding="utf-8"))
    said = json.loads((page.parent / "audit.json").read_text(encoding="utf-8"))["warnings"]
    assert len(said) == len(HOSTILE)
    assert all(f"<li>{visible(each, keep=chr(10))}</li>" in text for each in said)


def test_links_of_the_pooled_page_are_paths(results: Path) -> None:
    links = set(re.findall('<a href="([^"#]*)">page', results.read_text(encoding="utf-8")))
    assert len(links) == 2
    for link in links:
        assert re.fullmatch(r"[\w./%~-]+", link), link


@needs_browser
def test_nothing_runs_in_a_card(tmp_path: Path) -> None:
    from markdown_it import MarkdownIt

    lines = [f"# {escape(each)}\n\n- {escape(each)}\n\nIt is {escape(each)}.\n" for each in HOSTILE]
    table = [f"| {escape(each)} | b |" for each in HOSTILE]
    card = "\n".join([*lines, "| a | b |", "| --- | --- |", *table])
    made = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(card)
    document = shown(f"<!DOCTYPE html><html><body>{made}</body></html>", tmp_path)
    assert not ran(document)
    read = Read(document)
    assert read.acting == [] and "<strong" not in made and "<a" not in made
    for each in HOSTILE:
        assert read.text.count(visible(" ".join(each.split()))) == 4, each


def test_a_renderer_without_html_escapes_gets_none_to_show() -> None:
    for each in HOSTILE:
        assert not re.search(r"[<$~]|&(?!#\d+;)", escape(each))


def test_names_in_figures_are_drawn_as_they_are() -> None:
    names = ["$x_", r"a\$b$", r"$\frac", "<b>", "{{ 7*7 }}"]
    drawn = str(gap_matrix(tables(names)["verdicts"]))
    for name in names:
        assert f">{html.escape(name, quote=False)}<" in drawn


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
CELLS = st.lists(TEXTS | st.text("=+-@'\t\r\n \"1.e,;＝ax", max_size=6), min_size=1, max_size=6)


@given(CELLS, st.text("=@+a'", min_size=1, max_size=3))
def test_a_table_is_read_as_it_was_written_and_runs_nothing(texts: list[str], heading: str) -> None:
    frame = pd.DataFrame({heading: [*texts, "text"], "n": 1.0})
    for separator in "\t,":
        text = table_text(frame, separator)
        read = pd.read_csv(io.StringIO(text, newline=""), sep=separator, dtype=str, keep_default_na=False)
        written = [read.columns[0], *read[read.columns[0]]]
        assert not [cell for cell in written if is_formula(cell) and not cell.startswith("'")]
        assert not [cell for cell in written if len(cell) > 1 and cell[0] in "=+@＝\t\r\n"]
    with TemporaryDirectory() as room:
        write_table(frame, Path(room) / "a.tsv")
        assert [*read_table(Path(room) / "a.tsv").fillna("")[heading]] == [*texts, "text"]


@pytest.mark.parametrize("text", ["-1.5e-3", "-3", "-.5", "-", "+", "=", "a=1", "'a", "", "NA", "TCGA-01"])
def test_numbers_and_signs_alone_stay_as_they_are(text: str) -> None:
    assert table_text(pd.DataFrame({"a": [text]})) == f"a\n{text}\n" if text else '""'


@pytest.mark.usefixtures("restored_logging")
def test_no_name_steers_the_terminal_or_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.start(f"{IN_TERMINAL} encode", tmp_path / "a.log")
    logs.logger.warning("column %s", f"{IN_TERMINAL}\n2026-01-01 ERROR forged")
    logging.getLogger("py.warnings").warning("%s", f"file.py:1: UserWarning: {IN_TERMINAL}\n  f(x)\n")
    try:
        raise ValueError(IN_TERMINAL)
    except ValueError:
        logs.logger.exception("failed")
    said = capsys.readouterr().err
    for text in (said, (tmp_path / "a.log").read_text()):
        assert not CONTROL.search(text)
        assert r"column \x1b]0;a\x07\x1b[31m b\u202ec" in text
        assert not re.search("^2026-01-01 ERROR", text, re.MULTILINE)
        assert "Traceback" in text and "ValueError: \\x1b" in text


@pytest.mark.usefixtures("restored_logging")
def test_messages_for_people_steer_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(tmp_path / IN_TERMINAL)]) == 2
    assert str(InputError(IN_TERMINAL, IN_TERMINAL, IN_TERMINAL, IN_TERMINAL)) == str(
        InputError(*[visible(IN_TERMINAL)] * 4)
    )
    assert not CONTROL.search(capsys.readouterr().err)


@pytest.mark.parametrize("text", ["naïve", "日本", "می\u200cخواهم", "a b", "👩\u200d🔬", "עברית"])
def test_what_is_seen_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("text", ["a{b}", "a<results>/b", "<script>"])
def test_paths_that_snakemake_would_fill_in_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="which Snakemake fills in"):
        section(SheetRow, {"cohort": "a", "target": "y", "source": text}, "the sheet")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("column", ["cohort", "target", "modalities", "teachers", "derived_from"])
def test_names_that_become_folders_are_refused(column: str, text: str) -> None:
    given_ = {"cohort": "a", "target": "y", "source": "x", column: text}
    with pytest.raises(InputError):
        row = section(SheetRow, given_, "the sheet")
        check_modality(row.modalities or row.derived_from or "a", "the sheet")
        teachers_of_row(row, ["rna", "cnv"])
