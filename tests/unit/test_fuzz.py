"""Whatever bytes a table has, it is read right or refused clearly; nothing else happens, and it ends."""

import csv
import gzip
import io
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet  # noqa: F401
import pytest
from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st

from cch_omics.data import mudata as _mudata  # noqa: F401
from cch_omics.data.tables import read_clinical, read_matrix
from cch_omics.data.text import read_labelled
from cch_omics.errors import InputError
from cch_omics.tasks import make_task, task_class
from cch_omics.tasks.base import LabelColumn
from cch_omics.tasks.missing import says_missing
from cch_omics.tasks.reading import guess_task

FUZZ = fuzz(150)
NAMES = [".csv", ".tsv", ".csv.gz", ".parquet", ".h5ad", ".h5mu"]
VALID = pd.DataFrame(
    [[1.5, -2, np.nan], [0, 1e-7, 3], [4, 5, 6.25], [7, 8, 9]],
    index=["S1", "S2", "S3", "S4"],
    columns=["GENE1", "gene 2", "x,y"],
).to_csv()
WORDS = [
    "NA",
    "nan",
    "inf",
    "e9",
    "1e400",
    "1,5",
    "S1",
    "GENE1",
    "<html>",
    "true",
    "0x10",
    "1_000",
    "2019-01-05",
    "=A1",
    "'--",
    "Not Reported",
    "[Unknown]",
    "#VALUE!",
    "None",
    "-",
    "?",
    "unknown",
    "12:30",
    "1-Dec",
    "5%",
    "5 mg",
    "1+2j",
    "٣",
    "-9999",
    "Unnamed: 0",
    "id",
    "\x1f\x8b",
    "PK\x03\x04",
    "\xa0",
    "\u200b",
    "e\u0301",
]
TOKENS = st.sampled_from([*WORDS, *",;\t\n\r\"'#-. +", "\r\n", "\ufeff", "\0", "\x1a", "é", "𝄞"])


def read_or_refuse(path: Path):
    """The matrix, or None when it was refused with a message that is whole."""
    try:
        matrix = read_matrix(path, modality="rna")
    except InputError as error:
        assert all((error.where, error.found, error.expected, error.advice))
        assert path.name in error.where
        return None
    n, p = matrix.values.shape
    assert n > 0 and p > 0
    assert len(set(matrix.ids.tolist())) == n == len(matrix.ids)
    assert len(set(matrix.features.tolist())) == p == len(matrix.features)
    assert "" not in matrix.ids.tolist() and "" not in matrix.features.tolist()
    assert matrix.values.dtype == np.float32
    assert not np.isinf(matrix.values).any()
    return matrix


def number(text: str) -> float:
    """The number that a cell says: by Python's own reading, but for what only Python takes for a number."""
    text = text.strip()
    if says_missing(text):
        return np.nan
    assert text.isascii() and "_" not in text
    return {"true": 1.0, "false": 0.0}.get(text.lower()) if text.lower() in {"true", "false"} else float(text)


def check_against_python(text: str, matrix) -> None:
    """Values are those that Python's own csv module and float() read."""
    rows = [row for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")) if row]
    header, *body = rows
    if len(body[0]) == len(header) + 1:
        header = ["", *header]
    assert matrix.ids.tolist() == [row[0].strip() for row in body]
    assert matrix.features.tolist() == [name.strip() for name in header[1:]]
    with np.errstate(over="ignore"):
        expected = np.array([[number(cell) for cell in row[1:]] for row in body]).astype(np.float32)
    np.testing.assert_array_equal(matrix.values, expected)


@FUZZ
@given(content=st.binary(max_size=400), name=st.sampled_from(NAMES))
def test_random_bytes(tmp_path, content, name):
    path = tmp_path / f"random{name}"
    path.write_bytes(content)
    read_or_refuse(path)


@FUZZ
@given(content=st.text(max_size=300), compressed=st.booleans())
def test_random_text(tmp_path, content, compressed):
    path = tmp_path / ("text.csv.gz" if compressed else "text.csv")
    data = content.encode("utf-8", "surrogatepass")
    path.write_bytes(gzip.compress(data) if compressed else data)
    read_or_refuse(path)


@FUZZ
@given(edits=st.lists(st.tuples(st.integers(0, len(VALID)), st.integers(0, 4), TOKENS | st.just("")), max_size=3))
def test_mutations_of_a_valid_table_are_read_right_or_refused(tmp_path, edits):
    text = VALID
    for position, removed, inserted in edits:
        text = text[:position] + inserted + text[position + removed :]
    path = tmp_path / "mutated.csv"
    path.write_bytes(text.encode())
    matrix = read_or_refuse(path)
    if matrix is not None:
        check_against_python(text, matrix)


@FUZZ
@given(data=st.data())
def test_any_table_of_numbers_is_read_right(tmp_path, data):
    n, p = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    name = st.text(
        st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], blacklist_characters='"'), min_size=1
    ).filter(lambda text: not says_missing(text) and text == text.strip() and not text.startswith("<"))
    ids = data.draw(st.lists(name, min_size=n, max_size=n, unique=True))
    features = data.draw(st.lists(name, min_size=p, max_size=p, unique=True))
    value = st.floats(width=32, allow_infinity=False)
    values = np.array([[data.draw(value) for _ in range(p)] for _ in range(n)], dtype=np.float32)
    frame = pd.DataFrame(values, index=pd.Index(ids, name="id"), columns=features)
    for path, write in (("t.csv", frame.to_csv), ("t.tsv.gz", lambda f: frame.to_csv(f, sep="\t"))):
        write(tmp_path / path)
        matrix = read_matrix(tmp_path / path)
        assert matrix.ids.tolist() == ids
        assert matrix.features.tolist() == features
        np.testing.assert_array_equal(matrix.values, values)


@pytest.mark.parametrize("suffix", [".parquet", ".h5ad", ".csv.gz"])
def test_bytes_of_a_good_file_changed_or_cut(tmp_path, suffix):
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3), index=list("abcd"), columns=["x", "y", "z"])
    good = tmp_path / f"good{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(good)
    elif suffix == ".h5ad":
        anndata.AnnData(frame).write_h5ad(good)
    else:
        frame.to_csv(good)
    content = good.read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / f"spoilt{suffix}"
    for _ in range(60):
        spoilt = bytearray(content)
        for position in random.integers(0, len(spoilt), 3):
            spoilt[position] = random.integers(0, 256)
        path.write_bytes(spoilt if random.random() < 0.7 else spoilt[: random.integers(0, len(spoilt))])
        read_or_refuse(path)


@FUZZ
@given(edits=st.lists(st.tuples(st.integers(0, len(VALID)), TOKENS), max_size=4))
def test_clinical_tables_and_studies(tmp_path, edits):
    text = VALID
    for position, inserted in edits:
        text = text[:position] + inserted + text[position:]
    path = tmp_path / "clinical.csv"
    path.write_bytes(text.encode())
    try:
        table = read_clinical(path)
    except InputError as error:
        assert "clinical.csv" in error.where
    else:
        assert table.index.is_unique and "" not in table.index.tolist()
    path.write_bytes(text.replace(",", "\t").replace("GENE1", "Hugo_Symbol").encode())
    try:
        labels, study = read_labelled(path, {"hugo_symbol"})
    except InputError as error:
        assert "clinical.csv" in error.where
    else:
        assert study.values.shape == (len(labels["hugo_symbol"]), len(study.features))


LABELS = st.one_of(
    st.just(""),
    st.floats(allow_nan=False).map(str),
    st.integers(-5, 5).map(str),
    st.text(max_size=4),
    st.sampled_from(
        ["NA", "inf", "-Infinity", "1,5", "<0.1", "True", "1_000", "0x10", "1.0", "٣", "²", "-9999", "1e30"]
    ),
    st.sampled_from(
        ["Basal", "BASAL", "basal", "caf\u00e9", "cafe\u0301", "a b", "a\xa0b", "a\u200bb", "unknown", "X", "+"]
    ),
)


@FUZZ
@given(texts=st.lists(LABELS, min_size=1, max_size=60), task=st.sampled_from(["", "classification", "regression"]))
def test_a_column_of_labels_is_a_target_or_refused(texts, task):
    texts = [text.strip() for text in texts]
    samples = [f"S{number}" for number in range(len(texts))]
    column = LabelColumn("clinical.csv, column 'y'", samples, texts, fewest=2)
    name = task or guess_task(texts)
    try:
        made, values, left_out = task_class(name).read(column)
    except InputError as error:
        assert all((error.where, error.found, error.expected, error.advice))
        assert "clinical.csv, column 'y'" in error.where
        return
    assert (made.name, left_out) == (name, {})
    assert values.dtype == np.float64
    np.testing.assert_array_equal(made.observed(values), [text != "" for text in texts])
    assert np.bincount(made.strata(values)[made.observed(values)], minlength=len(made.strata_names)).min() > 0
    if name == "regression":
        assert [text for text in texts if text] == [text for text, value in zip(texts, values, strict=True) if text
                                                    and float(text) == value]  # fmt: skip
        assert len(np.unique(values[made.observed(values)])) > 1


TIMES = st.one_of(st.floats(0.01, 1e4).map(str), st.floats(0.01, 1e4).map(str), st.integers(1, 60).map(str), LABELS)
EVENTS = st.one_of(
    st.sampled_from(["0", "1"]),
    st.sampled_from(["0:LIVING", "1:DECEASED", "0", "1.0", "dead", "Alive", "2", ""]),
    LABELS,
)


@FUZZ
@given(
    rows=st.lists(
        st.tuples(TIMES, st.sampled_from(["0", "1", "1"])) | st.tuples(TIMES, EVENTS), min_size=1, max_size=60
    )
)
def test_two_columns_are_a_survival_time_or_refused(rows):
    samples = [f"S{number}" for number in range(len(rows))]
    columns = [
        LabelColumn(f"clinical.csv, column {name!r}", samples, [text.strip() for text in texts], fewest=2, name=name)
        for name, texts in zip(("os_time", "os_event"), zip(*rows, strict=True), strict=True)
    ]
    try:
        made, values, left_out = task_class("survival").read(*columns)
    except InputError as error:
        assert all((error.where, error.found, error.expected, error.advice))
        assert "clinical.csv, column 'os_" in error.where
        return
    known = made.observed(values)
    assert known.any() and (values[known, 0] > 0).all() and np.isin(values[known, 1], [0, 1]).all()
    assert np.isfinite(values[known]).all() and np.isnan(values[~known]).all()
    blank = sum(not time and not event for time, event in zip(columns[0].texts, columns[1].texts, strict=True))
    assert known.sum() + sum(left_out.values()) + blank == len(rows)
    assert np.bincount(made.strata(values)[known], minlength=len(made.strata_names)).min() > 0
    assert make_task("survival", made.parameters) == made
    outputs = np.zeros((1, len(rows), made.n_outputs))
    assert np.isfinite(made.loss(outputs, values)).all()
    assert np.isfinite(made.predictions(outputs[0], np.zeros(0)).to_numpy()).all()
    assert all(isinstance(number, float | int) for number in made.summary(values).values())
    made.evaluate(outputs[:, known], values[known], np.zeros((1, 0)), values[known])
