"""Files of others that are damaged, or that a library crashes on: refused with a message, or read right."""

import ctypes
import multiprocessing
import os
import subprocess
import sys
import textwrap
from decimal import Decimal
from itertools import pairwise

import anndata
import h5py
import mudata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from scipy import sparse

from cch_omics.config import SheetRow
from cch_omics.data.mudata import from_anndata, read_h5mu
from cch_omics.data.sources import read_source
from cch_omics.data.tables import read_clinical, read_matrix
from cch_omics.errors import InputError
from cch_omics.planning.sources import modalities_of
from cch_omics.runtime.apart import read_apart
from cch_omics.student.bundle import read_student

IDS = [f"S{number}" for number in range(6)]
VALUES = np.array([[0, 1.5, 0, 2], [3, 0, 0, 0], [0, 0, 4, 0], [5, 0, 6, 0], [0, 7, 0, 0], [0, 0, 0, 8]], np.float32)
OBS = pd.DataFrame({"kind": pd.Categorical(list("ababab")), "age": np.arange(6.0)}, index=IDS)
LAYOUTS = {"dense": np.array, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}


def make(layout: str) -> anndata.AnnData:
    return anndata.AnnData(LAYOUTS[layout](VALUES), obs=OBS, var=pd.DataFrame(index=list("abcd")))


def write_h5mu(path) -> None:
    with mudata.set_options(pull_on_update=False):
        rna, cnv = make("csr"), make("dense")
        cnv.var_names = [f"{name}2" for name in cnv.var_names]
        mdata = mudata.MuData({"rna": rna, "cnv": cnv})
        mdata.obs["subtype"] = pd.Categorical(list("xyxyxy"))
        mdata.write(path)


@pytest.fixture(scope="module", autouse=True)
def _quiet():
    with mudata.set_options(pull_on_update=False):
        yield


def set_item(name, change):
    """Write a dataset anew: as `change` makes it of its values."""

    def alter(file):
        attributes, values = dict(file[name].attrs), change(file[name][()])
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)

    return alter


def put(position, value):
    def change(values):
        values = values.copy()
        values[position] = value
        return values

    return change


def unwritten(shape, **how):
    """Declare an array of which no value is written."""

    def alter(file):
        attributes = dict(file["X"].attrs)
        del file["X"]
        file.create_dataset("X", shape=shape, dtype="f4", **how).attrs.update(attributes)

    return alter


def set_attribute(name, attribute, value):
    def alter(file):
        file[name].attrs[attribute] = value

    return alter


def link(target):
    def alter(file):
        del file["X"]
        file["X"] = target

    return alter


def outside(file):
    del file["X"]
    file.create_dataset("X", shape=(6, 4), dtype="f4", external=[("other.bin", 0, 96)])


def virtual(file):
    layout = h5py.VirtualLayout(shape=(6, 4), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "X", shape=(6, 4))
    del file["X"]
    file.create_virtual_dataset("X", layout)


def other_kind(file):
    kind = file["X"].attrs["encoding-type"]
    file["X"].attrs["encoding-type"] = "csc_matrix" if kind == "csr_matrix" else "csr_matrix"


def circle(file):
    file["uns/again"] = file["uns"]


SPARSE = {
    "an index beyond the last": (set_item("X/indices", put(2, 99)), "indices must be <"),
    "an index beyond memory": (set_item("X/indices", put(2, 2**30)), "indices must be <"),
    "a negative index": (set_item("X/indices", put(2, -3)), "indices must be >= 0"),
    "a pointer that falls": (set_item("X/indptr", put(2, 8)), "non-decreasing"),
    "a pointer far off": (set_item("X/indptr", put(2, 10**6)), "non-decreasing"),
    "a negative pointer": (set_item("X/indptr", put(2, -1)), "non-decreasing"),
    "a pointer that starts late": (set_item("X/indptr", put(0, 1)), "start with 0"),
    "a pointer that ends late": (set_item("X/indptr", put(-1, 9)), "Last value"),
    "a pointer that ends early": (set_item("X/indptr", put(-1, 7)), "8 values, of which"),
    "a short pointer": (set_item("X/indptr", lambda values: values[:-1]), "index pointer size"),
    "a long pointer": (set_item("X/indptr", lambda values: np.append(values, 8)), "index pointer size"),
    "an empty pointer": (set_item("X/indptr", lambda values: values[:0]), "index pointer size"),
    "a value given twice": (set_item("X/indices", lambda values: values * 0), "twice"),
    "indices that are no integers": (set_item("X/indices", lambda values: values + 0.5), "indices of type float64"),
    "a pointer that is no integer": (set_item("X/indptr", lambda values: values.astype("f8")), "float64"),
    "fewer indices": (set_item("X/indices", lambda values: values[:-2]), "size"),
    "fewer values": (set_item("X/data", lambda values: values[:-2]), "size"),
    "indices in two dimensions": (set_item("X/indices", lambda values: values.reshape(2, -1)), "1-D"),
    "unsigned indices too large": (set_item("X/indices", lambda values: (values - 3).astype("u8")), "indices"),
    "a shape that is larger": (set_attribute("X", "shape", [9, 9]), "damaged"),
    "a shape that is huge": (set_attribute("X", "shape", [10**9, 10**9]), "damaged"),
    "a shape that is negative": (set_attribute("X", "shape", [-6, 4]), "damaged"),
    "the other kind of matrix": (other_kind, "index pointer size"),
    "no indices": (lambda file: file.__delitem__("X/indices"), "damaged"),
    "text as values": (set_item("X/data", lambda values: np.array(["x"] * 8, dtype="S1")), "type |S1"),
    "complex values": (set_item("X/data", lambda values: values + 1j), "type complex"),
}  # fmt: skip
DENSE = {
    "fewer rows": (set_item("X", lambda values: values[:-1]), "damaged"),
    "fewer columns": (set_item("X", lambda values: values[:, :-1]), "damaged"),
    "one dimension": (set_item("X", np.ravel), "damaged"),
    "three dimensions": (set_item("X", lambda values: values[None]), "damaged"),
    "a single number": (set_item("X", lambda values: values[0, 0]), "damaged"),
    "text": (set_item("X", lambda values: values.astype("S4")), "X"),
    "complex numbers": (set_item("X", lambda values: values + 1j), "type complex"),
    "records": (set_item("X", lambda values: values.view([(name, "f4") for name in "abcd"])), "damaged"),
    "nothing written": (unwritten((6, 4)), "0 of 1 chunks"),
    "no chunk written": (unwritten((6, 4), chunks=(2, 2)), "0 of 6 chunks"),
    "a huge array of which nothing is written": (unwritten((10**9, 10**9), chunks=(10**3, 10**3)), "0 of"),
    "a huge array that would be zeros": (unwritten((10**9, 10**9), chunks=True, compression="gzip"), "0 of"),
    "fewer patients": (set_item("obs/_index", lambda values: values[:-1]), "one value per row"),
    "a label's code out of range": (set_item("obs/kind/codes", put(1, 7)), "damaged"),
    "a label's code below -1": (set_item("obs/kind/codes", put(1, -5)), "damaged"),
    "labels of fewer patients": (set_item("obs/kind/codes", lambda values: values[:-1]), "one value per row"),
    "codes that are no integers": (set_item("obs/kind/codes", lambda values: values + 0.5), "damaged"),
    "a class twice": (set_item("obs/kind/categories", lambda values: [b"a", b"a"]), "damaged"),
    "one number for all patients": (set_item("obs/age", lambda values: values[0]), "one value per row"),
    "a column that is not there": (lambda file: file.__delitem__("obs/age"), "'age'"),
    "a column that is not listed": (set_attribute("obs", "column-order", ["kind"]), "'age'"),
    "a column listed twice": (set_attribute("obs", "column-order", ["kind", "age", "age"]), "more than once"),
    "an unknown kind of array": (set_attribute("X", "encoding-type", "tensor"), "damaged"),
    "a link to another file": (link(h5py.ExternalLink("other.h5", "/X")), "X: found a link to another file"),
    "values in another file": (outside, "other files"),
    "a virtual array": (virtual, "other files"),
    "a link in a circle": (link(h5py.SoftLink("/X")), "damaged"),
    "a link to nowhere": (link(h5py.SoftLink("/gone")), "damaged"),
    "a group in itself": (circle, "damaged"),
    "no names of features": (lambda file: file.__delitem__("var"), "no table 'var'"),
}  # fmt: skip
COLUMNS = ("an index beyond the last", "a negative index", "a pointer that falls", "a value given twice", "no indices")
CASES = [
    *(("csr", title) for title in SPARSE),
    *(("csc", title) for title in COLUMNS),
    *(("dense", title) for title in DENSE),
]


@pytest.mark.parametrize(("layout", "title"), CASES)
def test_a_damaged_file_is_refused(layout, title, tmp_path):
    file = tmp_path / "rna.h5ad"
    make(layout).write_h5ad(file)
    alter, said = (DENSE if layout == "dense" else SPARSE)[title]
    with h5py.File(file, "r+") as content:
        content.require_group("uns")
        alter(content)
    with pytest.raises(InputError) as caught:
        read_matrix(file)
    assert str(file) in caught.value.where
    assert said in str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_whole_file_is_read_right(layout, compression, tmp_path):
    file = tmp_path / "rna.h5ad"
    make(layout).write_h5ad(file, compression=compression)
    matrix = read_matrix(file)
    assert matrix.ids.tolist() == IDS
    assert matrix.features.tolist() == list("abcd")
    np.testing.assert_array_equal(matrix.values, VALUES)
    assert matrix.values.dtype == np.float32 and matrix.values.flags.c_contiguous


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_unsorted_indices_are_read_right(layout):
    adata = make(layout)
    ends = adata.X.indptr
    order = np.concatenate([np.arange(end, start, -1) - 1 for start, end in pairwise(ends)])
    adata.X.indices, adata.X.data = adata.X.indices[order], adata.X.data[order]
    adata.X.has_sorted_indices = adata.X.has_canonical_format = False
    before = adata.X.indices.copy()
    np.testing.assert_array_equal(from_anndata(adata, "x").values, VALUES)
    np.testing.assert_array_equal(adata.X.indices, before)


def test_a_damaged_matrix_in_memory_is_refused():
    adata = make("csr")
    adata.X.indices[3] = 10**6
    with pytest.raises(InputError, match=r"x, \.X: found a damaged csr matrix"):
        from_anndata(adata, "x")


def rename(file):
    names = file["obs/_index"][()]
    names[2] = b"other"
    file["obs/_index"][...] = names


WHOLE = {
    "no labels": (lambda file: file.__delitem__("obs"), "no table 'obs'"),
    "no features of a modality": (lambda file: file.__delitem__("mod/rna/var"), "mod/rna: found no table 'var'"),
    "a sample of another name": (rename, "'S2'"),
    "a damaged modality": (set_item("mod/rna/X/indices", put(0, -1)), ".mod['rna'], .X: found a damaged csr"),
    "no modality": (lambda file: file.__delitem__("mod/rna/X/indptr"), "damaged"),
}


@pytest.mark.parametrize("title", WHOLE)
def test_a_damaged_mudata_file_is_refused(title, tmp_path):
    file = tmp_path / "cohort.h5mu"
    write_h5mu(file)
    source = read_h5mu(file, str(file))
    assert source.clinical["subtype"].tolist() == list("xyxyxy")
    np.testing.assert_array_equal(source.matrices["rna"].values, VALUES)
    alter, said = WHOLE[title]
    with h5py.File(file, "r+") as content:
        alter(content)
    for read in (lambda: read_h5mu(file, str(file)), lambda: read_matrix(file, modality="rna")):
        with pytest.raises(InputError) as caught:
            read()
        assert str(file) in caught.value.where
        assert said in str(caught.value)


ENDS = {
    "SIGSEGV": lambda: ctypes.string_at(0),
    "SIGABRT": os.abort,
    "status 3": lambda: os._exit(3),
    "want of memory": lambda: os.kill(os.getpid(), 9),
    "fits into memory": lambda: np.zeros(10**15),
    "no end": lambda: [None for _ in iter(int, 1)],
    "(RuntimeError: no)": lambda: (_ for _ in ()).throw(RuntimeError("no")),
    "input/output error": lambda: (_ for _ in ()).throw(OSError(5, "Input/output error")),
}


@pytest.mark.parametrize("said", ENDS)
def test_a_crash_of_the_library_is_a_message(said, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("cch_omics.runtime.apart._SECONDS", 0.1)
    (tmp_path / "x.h5ad").write_text("x")
    with pytest.raises(InputError, match=r"x\.h5ad") as caught:
        read_apart(tmp_path / "x.h5ad", ENDS[said], "an AnnData file")
    assert said in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_is_read_from_a_program_without_a_guard(tmp_path):
    """As in a notebook: with threads at work, and what is imported is not imported again."""
    make("csr").write_h5ad(tmp_path / "rna.h5ad")
    program = """
        import threading, time
        import numpy as np
        from cch_omics.data.tables import read_matrix
        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
        np.ones((500, 500)) @ np.ones((500, 500))
        print(int(read_matrix("rna.h5ad").values.sum()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "36\n"


def as_nobody(folder, pipe):
    """Say of each file whether it was refused, for want of permission, and called damaged: root may read everything."""
    os.chdir(folder)
    os.setuid(65534)
    row = SheetRow(cohort="c", source="c.h5mu", target="y")
    for name, read in {
        "c.h5mu": lambda: read_source(row),
        "./c.h5mu": lambda: modalities_of(row),
        "c.h5ad": lambda: read_matrix("c.h5ad"),
        "c.parquet": lambda: read_matrix("c.parquet"),
        "c.csv": lambda: read_matrix("c.csv"),
        "c.tsv": lambda: read_clinical("c.tsv"),
        "student.json": lambda: read_student("."),
        "shut/c.csv": lambda: read_matrix("shut/c.csv"),
    }.items():
        with pytest.raises(InputError) as caught:
            read()
        pipe.send(
            (
                name.removeprefix("./") in caught.value.where,
                "permission" in str(caught.value),
                "damaged" in caught.value.found,
            )
        )
    pipe.send("done")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_is_not_called_damaged(tmp_path):
    write_h5mu(tmp_path / "c.h5mu")
    for name in ("c.h5ad", "c.parquet", "c.csv", "c.tsv", "student.json"):
        (tmp_path / name).write_text("x")
    for file in tmp_path.iterdir():
        file.chmod(0)
    (tmp_path / "shut").mkdir(mode=0)
    tmp_path.chmod(0o755)
    forked = multiprocessing.get_context("fork")
    here, there = forked.Pipe(duplex=False)
    # A daemon, as the processes of a pool are: those may not start any by `multiprocessing`.
    process = forked.Process(target=as_nobody, args=(tmp_path, there), daemon=True)
    process.start()
    there.close()
    assert [here.recv() for _ in range(8)] == [(True, True, False)] * 8
    assert here.recv() == "done"
    process.join()


@pytest.mark.parametrize("name", ["c.h5ad", "c.h5mu", "c.parquet", "c.csv", "c.tsv.gz"])
def test_what_is_no_file_is_said_as_what_it_is(name, tmp_path):
    path = tmp_path / name
    made = {
        "no such file": lambda: None,
        "leads nowhere": lambda: path.symlink_to(path),
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
    }
    for said, make_it in made.items():
        make_it()
        with pytest.raises(InputError) as caught:
            read_matrix(path, modality="rna")
        assert caught.value.where == str(path)
        assert said in caught.value.found
        if not path.is_dir():
            path.unlink(missing_ok=True)


def to_parquet(path, columns, names=None, metadata=None):
    table = pa.Table.from_arrays([pa.array(*each) for each in columns], names=names or ["id", "x"])
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)


TEXT = [(["S1", "S2"],)]
NUMBERS = {
    "64 bits": ([1, None], pa.int64()),
    "16 bits": ([1, None], pa.float16()),
    "decimals": ([Decimal("1.00"), None], pa.decimal128(9, 2)),
    "a dictionary": (pa.array([1.0, None]).dictionary_encode(),),
    "a dictionary of text": (pa.array(["1", None]).dictionary_encode(),),
    "text": (["1", ""],),
    "long text": (["1", None], pa.large_string()),
    "truth": ([True, None],),
    "in pieces": (pa.array([0, 1, None], pa.uint8())[1:],),
}
NO_NUMBERS = {
    "a list": ([[1.0], [2.0]],),
    "a list of fixed size": ([[1.0], [2.0]], pa.list_(pa.float32(), 1)),
    "a structure": ([{"a": 1.0}, {"a": 2.0}],),
    "a map": ([[("a", 1)], []], pa.map_(pa.string(), pa.int8())),
    "a time": ([1, 2], pa.timestamp("ns", tz="UTC")),
    "a date": ([1, 2], pa.date32()),
    "a time of day": ([1, 2], pa.time32("s")),
    "a duration": ([1, 2], pa.duration("s")),
    "bytes": ([b"1", b"2"],),
    "words": (["1", "high"],),
    "times in a dictionary": (pa.array([1, 2], pa.timestamp("s")).dictionary_encode(),),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_any_parquet_type_are_read_right(kind, tmp_path):
    to_parquet(tmp_path / "x.parquet", [*TEXT, NUMBERS[kind]])
    matrix = read_matrix(tmp_path / "x.parquet")
    assert (matrix.ids.tolist(), matrix.features.tolist()) == (["S1", "S2"], ["x"])
    np.testing.assert_array_equal(matrix.values, [[1], [np.nan]])


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_other_parquet_types_are_refused_by_column(kind, tmp_path):
    to_parquet(tmp_path / "x.parquet", [*TEXT, NO_NUMBERS[kind]])
    with pytest.raises(InputError, match=r"x\.parquet, column 'x'"):
        read_matrix(tmp_path / "x.parquet")


FRAME = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]}, index=["S1", "S2"])
INDEXES = {
    "a named index": (FRAME.rename_axis("sample"), ["S1", "S2"], ["x", "y"]),
    "an index called like a feature": (FRAME.rename_axis("z"), ["S1", "S2"], ["x", "y"]),
    "numbers as ids": (FRAME.set_axis([7, 3]), ["7", "3"], ["x", "y"]),
    "ids as categories": (FRAME.set_axis(pd.CategoricalIndex(["S2", "S1"])), ["S2", "S1"], ["x", "y"]),
    "ids in the first column": (FRAME.reset_index(), ["S1", "S2"], ["x", "y"]),
}
NO_INDEXES = {
    "ids lost": (FRAME.reset_index(drop=True), "no sample id"),
    "times as ids": (FRAME.set_axis(pd.to_datetime(["2020", "2021"])), "type timestamp"),
    "a missing id": (FRAME.set_axis(["S1", None]), "no sample id"),
    "an id twice": (FRAME.set_axis(["S1", "S1"]), "'S1' more than once"),
    "two levels of ids": (FRAME.set_axis(pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")])), "2 levels"),
    "two levels of features": (FRAME.set_axis(pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")]), axis=1), "2 levels"),
    "ids in the last column": (FRAME.reset_index()[["x", "y", "index"]], "no sample id"),
    "no feature": (FRAME[[]], "no values"),
    "no row": (FRAME[:0], "no values"),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_sample_ids_of_a_parquet_file(kind, tmp_path):
    frame, ids, features = INDEXES[kind]
    (tmp_path / "cohort=brca").mkdir()
    frame.to_parquet(tmp_path / "cohort=brca" / "x.parquet")
    matrix = read_matrix(tmp_path / "cohort=brca" / "x.parquet")
    assert (matrix.ids.tolist(), matrix.features.tolist()) == (ids, features)
    np.testing.assert_array_equal(matrix.values, FRAME)


@pytest.mark.parametrize("kind", NO_INDEXES)
def test_a_parquet_file_without_usable_sample_ids_is_refused(kind, tmp_path):
    frame, said = NO_INDEXES[kind]
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet") as caught:
        read_matrix(tmp_path / "x.parquet")
    assert said in str(caught.value)


def test_names_of_a_parquet_file_that_do_not_fit(tmp_path):
    file = tmp_path / "x.parquet"
    to_parquet(file, [*TEXT, ([1, 2],), ([3, 4],)], ["id", "x", "x"])
    # Which of the two counts is decided where features are chosen.
    matrix = read_matrix(file)
    assert (matrix.features.tolist(), matrix.values.tolist()) == (["x", "x"], [[1, 3], [2, 4]])
    to_parquet(file, [*TEXT, ([1, 2],)], ["x", "x"])
    assert read_matrix(file).ids.tolist() == ["S1", "S2"]
    # The file says that its index is a column which it lacks.
    FRAME.to_parquet(file)
    said = pyarrow.parquet.read_schema(file).metadata
    to_parquet(file, [*TEXT, ([1, 2],)], metadata=said)
    with pytest.raises(InputError, match=r"x\.parquet"):
        read_matrix(file)
