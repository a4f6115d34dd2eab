"""Every kind of bad input has its own message, which says where, what and what to do; nothing is written."""

from pathlib import Path

import pytest
from bad_inputs import CASES, message, page
from cohort_files import make_tables, sheet_row, write_folder

from cch_omics.data.sources import ingest

PAGE = Path(__file__).parents[2] / "docs" / "bad_inputs.md"
pytestmark = pytest.mark.filterwarnings("ignore:.*not unique:UserWarning", "ignore:Cannot join columns:UserWarning")


@pytest.mark.parametrize("case", CASES, ids=[f"{case.section}: {case.title}" for case in CASES])
def test_bad_input_is_refused_with_a_message_that_helps(case, tmp_path):
    error = message(case, tmp_path)
    assert all((error.where, error.found, error.expected, error.advice))
    assert error.advice.rstrip().endswith((".", "?", ".)"))
    missing = [part for part in case.said if part not in str(error)]
    assert not missing, f"{error} lacks {missing}"


def test_there_are_sixty_and_each_is_named_once():
    names = [(case.section, case.title) for case in CASES]
    assert len(names) == len(set(names)) >= 60


def test_the_page_is_that_of_the_list():
    assert PAGE.read_text() == page(), "run: python tests/unit/bad_inputs.py > docs/bad_inputs.md"


def test_nothing_is_written_when_the_audit_fails(tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("interrupted")

    monkeypatch.setattr("cch_omics.data.sources.audit", fail)
    write_folder(tmp_path / "cohort", make_tables())
    with pytest.raises(RuntimeError):
        ingest(sheet_row(tmp_path / "cohort"), tmp_path / "cohort.h5mu", tmp_path / "audit.json")
    assert [entry.name for entry in tmp_path.iterdir()] == ["cohort"]


def test_a_good_folder_is_not_refused(tmp_path):
    write_folder(tmp_path / "cohort", make_tables())
    ingest(sheet_row(tmp_path / "cohort"), tmp_path / "cohort.h5mu", tmp_path / "audit.json")
