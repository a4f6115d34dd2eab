"""Whatever a sheet, a configuration or a row on the command line says, it is read right or refused clearly."""

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cch_omics.cli.command import json_object
from cch_omics.config import Config, SheetRow, comma_cell, comma_list, load_config, make_row, read_sheet, target_cell
from cch_omics.config.sheet import is_name
from cch_omics.errors import InputError
from cch_omics.planning.given_once import check_given_once

FUZZ = settings(
    max_examples=200, deadline=10_000, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
ROOT = Path(__file__).parents[2]
SHEET = (
    "cohort\tsource\ttarget\ttask\tmodalities\tclasses\tlabel_budget\tteachers\n"
    'a\tdata/a b\ter status as er\tclassification\trna,cnv\t"x, y",z\t0.5\trna;rna+cnv\n'
    "# a remark\n\n"
    "b\tdemo:tcga-brca\tpam50\t\t\t\t\t\n"
)
CONFIG = "".join(
    line
    for line in (ROOT / "config" / "config.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    if line.strip() and not line.strip().startswith("#")
)
WORDS = ["1e8", "nan", "-1", ".inf", "true", "null", " as ", "COLUMN", "../", "~", "é", "рак", "=1", "😀", "x" * 300]
MARKS = [*"\t\n\r,;:#\"'{}[]<>&*+-_. \\/|?%@!`", "\r\n", "\ufeff", "\0", "\x1b", "\u2028", "\x85", "\ud800"]
TOKENS = st.sampled_from(WORDS + MARKS)


def edited(data: st.DataObject, text: str, most: int = 4) -> str:
    """A text after a few edits at random places."""
    for _ in range(data.draw(st.integers(0, most))):
        at, removed = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(TOKENS | st.just("")) + text[at + removed :]
    return text


def check_refusal(error: InputError, where: str) -> None:
    assert all((error.where, error.found, error.expected, error.advice))
    assert where in error.where
    assert "pydantic" not in str(error)


def check_row(row: SheetRow) -> None:
    """What folders are named by can name them, and a row is the same after the way through a command line."""
    assert is_name(row.cohort) and is_name(row.target_name) and row.target_column
    assert 0 < row.label_budget <= 1
    assert make_row(json_object(json.dumps(row.model_dump(exclude_defaults=True)), "--row"), "--row") == row


@FUZZ
@given(data=st.data(), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
def test_a_sheet_is_read_right_or_refused(tmp_path: Path, data: st.DataObject, encoding: str) -> None:
    text = edited(data, SHEET)
    path = tmp_path / "cohorts.tsv"
    path.write_bytes(text.encode(encoding, "surrogatepass" if encoding != "latin-1" else "replace"))
    try:
        rows = read_sheet(path)
    except InputError as error:
        check_refusal(error, "cohorts.tsv")
        return
    assert len({(row.cohort, row.target_name) for row in rows}) == len(rows) > 0
    for row in rows:
        check_row(row)
    if text == SHEET and encoding.startswith("utf-8"):
        assert comma_list(rows[0].classes) == ["x, y", "z"]


@FUZZ
@given(content=st.binary(max_size=200))
def test_random_bytes_are_no_sheet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cohorts.tsv"
    path.write_bytes(content)
    try:
        read_sheet(path)
    except InputError as error:
        check_refusal(error, "cohorts.tsv")
    else:
        raise AssertionError("random bytes were read as a sheet")


@FUZZ
@given(data=st.data())
def test_a_configuration_is_read_right_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(edited(data, CONFIG).encode("utf-8", "replace"))
    try:
        mapping = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError):
        # Snakemake refuses it first.
        return
    if not isinstance(mapping, dict):
        return
    try:
        check_given_once([path], [])
        config = load_config(mapping, "config.yaml")
    except InputError as error:
        check_refusal(error, "config.yaml")
        return
    assert Config.model_validate_json(config.model_dump_json()) == config


NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**30), 1e-320, 2**63, 0, 1, 2, 3, 5])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=2),
    max_leaves=4,
)


@FUZZ
@given(data=st.data())
def test_any_value_of_any_key_is_in_its_range_or_refused(data: st.DataObject) -> None:
    mapping: dict[Any, Any] = Config(cohorts="x").model_dump(exclude={"pathvars"})
    name = data.draw(st.sampled_from(sorted(mapping)))
    value = data.draw(VALUES)
    if isinstance(mapping[name], dict) and data.draw(st.integers(0, 9)):
        key = data.draw(st.sampled_from(sorted(mapping[name])))
        mapping[name] = {**mapping[name], key: value}
    else:
        mapping[name] = value
    try:
        config = load_config(mapping)
    except InputError as error:
        check_refusal(error, "the configuration")
        return
    assert config.splits.repeats * config.splits.folds <= 5000
    for section in config.model_dump(exclude={"pathvars"}).values():
        numbers = [each for each in (section.values() if isinstance(section, dict) else [section])
                   if isinstance(each, int | float)]  # fmt: skip
        assert all(abs(number) < 2**32 for number in numbers)


@FUZZ
@given(
    columns=st.dictionaries(st.sampled_from(sorted(SheetRow.model_fields)) | st.text(max_size=5), VALUES, max_size=5)
)
def test_any_row_of_a_command_line_is_read_right_or_refused(columns: dict[str, Any]) -> None:
    try:
        row = make_row({"cohort": "a", "source": "x", "target": "y", **columns}, "--row")
    except InputError as error:
        check_refusal(error, "--row")
    else:
        check_row(row)


@FUZZ
@given(text=st.text(max_size=40) | st.builds(json.dumps, VALUES))
def test_any_text_on_the_command_line_is_an_object_or_refused(text: str) -> None:
    try:
        assert isinstance(json_object(text, "--settings"), dict)
    except InputError as error:
        check_refusal(error, "--settings")


PRINTABLE = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1)


@FUZZ
@given(column=PRINTABLE, items=st.lists(PRINTABLE, min_size=1))
def test_any_column_can_be_asked_for_and_any_class_listed(column: str, items: list[str]) -> None:
    row = make_row({"cohort": "a", "source": "x", "target": target_cell(column)}, "row")
    assert row.target_column == column and is_name(row.target_name)
    assert comma_list(comma_cell(items)) == items
