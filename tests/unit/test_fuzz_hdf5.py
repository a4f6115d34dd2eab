"""Whatever is done to an HDF5 file, it is read right or refused; no crash, and no value of another patient."""

from collections.abc import Iterator
from pathlib import Path

import anndata
import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from cch_omics.data.mudata import read_h5mu
from cch_omics.data.source import Source
from cch_omics.errors import InputError

IDS = [f"S{number}" for number in range(6)]
VALUES = np.array([[0, 1.5, 0, 2], [3, 0, 0, 0], [0, 0, 4, 0], [5, 0, 6, 0], [0, 7, 0, 0], [0, 0, 0, 8]], np.float32)


def write(path: Path) -> None:
    """A file with a matrix of each kind, packed and not, and labels of each kind."""
    with mudata.set_options(pull_on_update=False):
        modalities = {
            name: anndata.AnnData(
                matrix,
                obs=pd.DataFrame({f"{name} age": np.arange(6.0)}, index=IDS),
                var=pd.DataFrame(index=[f"{name}{number}" for number in range(4)]),
            )
            for name, matrix in {
                "rows": sparse.csr_matrix(VALUES),
                "columns": sparse.csc_matrix(VALUES),
                "dense": VALUES,
            }.items()
        }
        mdata = mudata.MuData(modalities)
        mdata.obs["subtype"] = pd.Categorical(list("xyxyxy"))
        mdata.obs["grade"] = pd.array([1, 2, None, 1, 2, 3], dtype="Int64")
        mdata.obs["stage"] = list("IVIVIV")
        mdata.uns["source"] = "a test"
        mdata.write(path)
    with h5py.File(path, "r+") as file:
        values = file["mod/dense/X"][()]
        attributes = dict(file["mod/dense/X"].attrs)
        del file["mod/dense/X"]
        file.create_dataset(
            "mod/dense/X", data=values, chunks=(4, 4), compression="gzip", shuffle=True, fletcher32=True
        )
        file["mod/dense/X"].attrs.update(attributes)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("good") / "cohort.h5mu"
    write(file)
    return file


@pytest.fixture(scope="module")
def expected(good) -> dict[str, object]:
    return dict(parts(read_h5mu(good, str(good))))


@pytest.fixture(scope="module")
def names(good) -> list[str]:
    """Paths of all that is in the file."""
    found = ["/"]
    with h5py.File(good) as file:
        file.visit(found.append)
    return found


def read_or_refuse(path: Path) -> Source | None:
    """The source, or None when it was refused with a message that is whole."""
    try:
        source = read_h5mu(path, str(path))
    except InputError as error:
        assert all((error.where, error.found, error.expected, error.advice))
        assert str(path) in error.where
        return None
    for matrix in source.matrices.values():
        assert matrix.values.shape == (len(set(matrix.ids.tolist())), len(set(matrix.features.tolist())))
        assert matrix.values.dtype == np.float32
        assert not np.isinf(matrix.values).any()
        assert set(matrix.ids.tolist()) <= set(source.clinical.index)
    return source


def parts(source: Source) -> Iterator[tuple[str, object]]:
    """All that is used of a source, by the path that holds it."""
    yield "obs", sorted(source.clinical.index)
    for name in source.clinical.columns:
        column = source.clinical[name].sort_index()
        own = name.rpartition(":")[2]
        yield (f"mod/{own.split()[0]}/obs/{own}" if " " in own else f"obs/{own}"), column.map(repr).to_dict()
    for name, matrix in source.matrices.items():
        yield f"mod/{name}/obs", matrix.ids.tolist()
        yield f"mod/{name}/var", matrix.features.tolist()
        yield f"mod/{name}/X", matrix.values.tobytes()
    yield "mod", sorted(source.available)


POSITION = st.integers(0, 60)
NUMBER = st.sampled_from([-1, 0, 1, 2, 3, 7, 99, -(2**31), 2**31 - 1, 2**40, 1e9, np.nan])
TYPES = st.sampled_from(["f8", ">f4", "f2", "i1", "i8", "u8", "c8", "S3", "?"])
KINDS = [
    *("array", "string-array", "string", "dict", "dataframe", "csr_matrix", "csc_matrix", "categorical", "anndata"),
    *("nullable-integer", "numeric-scalar", "0.1.0", "0.2.0"),
]
SHAPES = st.sampled_from(
    [
        lambda values: values[:-1],
        lambda values: values[:0],
        lambda values: values[..., :1],
        lambda values: values.ravel()[0],
        lambda values: values[None],
        lambda values: np.concatenate([values, values]),
        lambda values: values.reshape(-1, 2),
        np.transpose,
    ]
)


def rewrite(file: h5py.File, name: str, values: object) -> None:
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = values
    file[name].attrs.update(attributes)


def alter_value(file: h5py.File, name: str, data: st.DataObject) -> str:
    """Another value in an array; returns what may differ then."""
    values = file[name][()]
    flat = values.reshape(-1)
    new = data.draw(NUMBER)
    if file[name].dtype.kind == "O":
        flat[data.draw(POSITION) % flat.size] = f"other{new}"
    else:
        with np.errstate(invalid="ignore"):
            flat[data.draw(POSITION) % flat.size] = np.array(new).astype(flat.dtype)
    rewrite(file, name, flat.reshape(values.shape))
    return name


def retype(file: h5py.File, name: str, data: st.DataObject) -> str:
    values = file[name][()]
    kind = data.draw(TYPES)
    with np.errstate(all="ignore"):
        rewrite(file, name, values.astype(kind))
    return name


def reshape(file: h5py.File, name: str, data: st.DataObject) -> str:
    rewrite(file, name, data.draw(SHAPES)(file[name][()]))
    return ""


def delete(file: h5py.File, name: str, data: st.DataObject) -> str:
    del file[name]
    return ""


def rename(file: h5py.File, name: str, data: st.DataObject) -> str:
    file.move(name, f"{name}{data.draw(st.sampled_from(['_', '2', ' age']))}")
    return ""


def exchange(file: h5py.File, name: str, data: st.DataObject) -> str:
    """An item that is a link to another one."""
    others: list[str] = ["/", "/gone"]
    file.visit(lambda other: others.append(f"/{other}"))
    target = data.draw(st.sampled_from(sorted(others)))
    del file[name]
    file[name] = h5py.SoftLink(target)
    return name


def alter_attribute(file: h5py.File, name: str, data: st.DataObject) -> str:
    attributes = file[name].attrs
    key = data.draw(st.sampled_from(sorted(attributes)))
    what = data.draw(st.sampled_from(["delete", "number", "text", "kind", "numbers", "texts"]))
    if what == "delete":
        del attributes[key]
    elif what == "number":
        attributes[key] = data.draw(NUMBER)
    elif what == "numbers":
        attributes[key] = [data.draw(NUMBER), 6]
    elif what == "texts":
        attributes[key] = data.draw(st.lists(st.sampled_from([*IDS, "_index", "subtype", "rows", "dense"])))
    else:
        attributes[key] = data.draw(st.sampled_from(KINDS if what == "kind" else ["", "codes", "_index", "subtype"]))
    return ""


CHANGES = [alter_value, retype, reshape, delete, rename, exchange, alter_attribute]


@fuzz(20)
@given(data=st.data())
def test_changes_of_the_structure(tmp_path, good, expected, names, data):
    path = tmp_path / "changed.h5mu"
    path.write_bytes(good.read_bytes())
    change = data.draw(st.sampled_from(CHANGES))
    name = data.draw(st.sampled_from(names))
    with h5py.File(path, "r+") as file:
        try:
            may_differ = change(file, name, data)
        except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError):
            return  # no such change of this item
    source = read_or_refuse(path)
    if source is not None:
        found = dict(parts(source))
        unlike = [part for part in expected if found.get(part) != expected[part]]
        assert all(may_differ and (may_differ.startswith(part) or part.startswith(may_differ)) for part in unlike)


@fuzz(10)
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=3), cut=st.booleans())
def test_bytes_changed_or_cut(tmp_path, good, flips, cut):
    content = bytearray(good.read_bytes())
    for position, change in flips:
        content[position % len(content)] ^= change
    path = tmp_path / "flipped.h5mu"
    path.write_bytes(content[: flips[0][0] % len(content)] if cut else content)
    read_or_refuse(path)
