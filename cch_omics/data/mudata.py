"""MuData and AnnData at the edge of the package: sources, and the cohort's own file.

A cohort's `.h5mu` file: every modality holds the samples that were profiled, `X` float32 with NaN for missing values;
`.obs` has the columns `group`, `site` and `label` (the target's values as numbers, NaN where missing: of classes their
positions; of a survival time `label_time` and `label_event`); `.uns["cch_omics"]` has `format_version`, `name`,
`target`, `task`, `task_parameters` (JSON), `teachers`, `left_out` (JSON: one view or two, and the reason),
`label_budget`, `derived_from` and `scales` (JSON, by modality: `scale` and `made` of `Modality`).
"""

import json
import os
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.data.hdf5 import check_structure
from cch_omics.data.numbers import check_finite
from cch_omics.data.scale import is_standardised
from cch_omics.data.source import Matrix, Source, fill_gaps
from cch_omics.errors import InputError, near, repeated, some
from cch_omics.planning.layout import STANDARDISED
from cch_omics.runtime.apart import read_apart, read_here
from cch_omics.runtime.files import atomic
from cch_omics.tasks import make_task
from cch_omics.tasks.base import Task

FORMAT_VERSION = 4
_KEY = "cch_omics"
_MUDATA, _ANNDATA = "a MuData file (.h5mu)", "an AnnData file (.h5ad)"


def read_mudata(path: str | os.PathLike[str]) -> mudata.MuData:
    """Read a `.h5mu` file of our own.

    Raises
    ------
    InputError
        When there is no such file, or it cannot be read.
    """
    return read_here(path, lambda: _read(path, mudata.read_h5mu), _MUDATA)


def read_h5mu(path: str | os.PathLike[str], where: str, modalities: Collection[str] = ()) -> Source:
    """Read the parts of a cohort from a `.h5mu` file of anybody, as `from_mudata` does."""
    return read_apart(path, lambda: from_mudata(_read(path, mudata.read_h5mu), where, modalities), _MUDATA)


def _read(path: str | os.PathLike[str], reader: Callable[..., Any]) -> Any:
    check_structure(path)
    # With its coming default MuData cannot read its own file where the index of .obs has a name in modalities alone.
    with _quiet(), mudata.set_options(pull_on_update=None):
        return reader(path)


def write_mudata(mdata: mudata.MuData, path: str | os.PathLike[str]) -> None:
    """Write a `.h5mu` file, whole or not at all."""
    with atomic(path) as draft, _quiet():
        mdata.write(draft)


def make_mudata(modalities: dict[str, anndata.AnnData], obs: pd.DataFrame, uns: dict[str, Any]) -> mudata.MuData:
    """Join modalities by sample; `obs` is indexed by all their samples."""
    with _quiet():
        mdata = mudata.MuData(modalities)
        mdata.obs = obs.loc[mdata.obs_names]
        mdata.uns.update(uns)
    return mdata


def from_mudata(mdata: mudata.MuData, where: str, modalities: Collection[str] = ()) -> Source:
    """Read the parts of a cohort from MuData: `.mod`, and the columns of `.obs`, its own and its modalities'."""
    if mdata.axis != 0:
        raise InputError(
            where, f"modalities joined along axis {mdata.axis}", "samples shared (axis 0)", "Write MuData(..., axis=0)."
        )
    for name, adata in mdata.mod.items():
        if len(unknown := adata.obs_names.difference(mdata.obs_names)):
            found = f"samples that .obs lacks: {some(unknown)}"
            raise InputError(f"{where}, .mod[{name!r}]", found, "samples of .obs", "Call mdata.update().")
    wanted = [name for name in mdata.mod if not modalities or name in modalities]
    matrices = {name: from_anndata(mdata.mod[name], f"{where}, .mod[{name!r}]") for name in wanted}
    origin = {name: str(mdata.uns[name]) for name in ("source", "license") if isinstance(mdata.uns.get(name), str)}
    columns = {name: mdata.obs[name] for name in mdata.obs.columns}
    conflicts: dict[str, str] = {}
    for name, adata in mdata.mod.items():
        for column in adata.obs.columns.difference(mdata.obs.columns):
            # As `MuData.pull_obs` calls it: one modality's own, where others say something else.
            columns.setdefault(f"{name}:{column}", adata.obs[column])
            new = adata.obs[column]
            old = columns.get(column, new)
            columns[column], sample = fill_gaps(old, new)
            if sample is not None:
                conflicts[column] = (
                    f"{old[sample]!r} and {new[sample]!r} for sample {sample!r} (the latter in {name!r}, where "
                    f"the column can be asked for as '{name}:{column}')"
                )
    index = pd.Index([str(sample).strip() for sample in mdata.obs_names], name="sample")
    clinical = pd.DataFrame(
        {name: series.reindex(mdata.obs_names).to_numpy(dtype=object) for name, series in columns.items()}, index=index
    )
    return Source(where, clinical, f"{where}, .obs", matrices, tuple(mdata.mod), conflicts, origin)


def from_anndata(adata: anndata.AnnData, where: str) -> Matrix:
    """Read `.X` of an AnnData as a matrix of samples x features, or the one layer of one without it."""
    ids = np.array([str(name).strip() for name in adata.obs_names], dtype=np.str_)
    features = np.array([str(name).strip() for name in adata.var_names], dtype=np.str_)
    for names, attribute in ((ids, "obs_names"), (features, "var_names")):
        if not len(names):
            raise InputError(f"{where}, .{attribute}", "none", "at least one", "Check how the file was written.")
    if double := repeated(ids.tolist()):
        advice = "Rename or remove them."
        raise InputError(f"{where}, .obs_names", f"{some(double)} more than once", "unique names", advice)
    others = [*(f".layers[{name!r}]" for name in adata.layers), *([".raw"] if adata.raw is not None else [])]
    matrix, read = adata.X, ".X"
    if matrix is None and len(adata.layers) == 1:
        matrix, read = next(iter(adata.layers.values())), others.pop(0)
    if matrix is None:
        found = f"nothing, beside {' and '.join(others)}" if others else "nothing"
        raise InputError(f"{where}, .X", found, "a matrix of samples x features", "Put the values into .X.")
    values = _plain_numbers(matrix, f"{where}, {read}")
    if values.shape != (len(ids), len(features)):
        expected = f"{len(ids)} samples x {len(features)} features"
        found = f"values of shape {values.shape}"
        raise InputError(f"{where}, {read}", found, expected, "Check how the file was written.")
    check_finite(where, ids, features, values)
    said = [] if read == ".X" and not others else [_what_was_read(read, others, values)]
    return Matrix(ids, features, values, where, remarks=tuple(said))


def _what_was_read(read: str, others: list[str], values: NDArray[np.float32]) -> str:
    """Say what was read of several things in an AnnData, and how to have another read."""
    if not others:
        return f"{read} was read."
    said = f"{read} was read, not {', '.join(others)}."
    if is_standardised(values):
        return (
            f"{said} Its features have mean 0 and standard deviation 1, as scanpy's pp.scale leaves them: they were "
            f"{STANDARDISED}. Put the counts, or logarithms made of each sample by itself, into .X."
        )
    return f"{said} To have one of these read, put it into .X."


def _plain_numbers(matrix: Any, where: str) -> NDArray[np.float32]:
    """Return a matrix of any kind, also of a backed file, as a contiguous array."""
    matrix = matrix.to_memory() if hasattr(matrix, "to_memory") else matrix
    compressed = sparse.issparse(matrix)
    stored = matrix.data if compressed else np.asarray(matrix)
    if stored.dtype.kind not in "fiub":
        raise InputError(where, f"values of type {stored.dtype}", "numbers", "Convert .X to float32.")
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(stored, dtype=np.float32)
    return _unpacked(matrix, stored, where) if compressed else stored


def _unpacked(matrix: Any, values: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    """Return a compressed matrix as an array, once its indices are known to lie in it: nothing after this looks."""
    try:
        if {matrix.indices.dtype.kind, matrix.indptr.dtype.kind} - set("iu"):
            raise ValueError(f"indices of type {matrix.indices.dtype} and {matrix.indptr.dtype}")
        checked = type(matrix)((values, matrix.indices, matrix.indptr), shape=matrix.shape)
        checked.check_format(full_check=True)
        if matrix.indptr[-1] != len(values):
            raise ValueError(f"{len(values)} values, of which the index pointer knows {matrix.indptr[-1]}")
        if not (checked if checked.has_sorted_indices else checked.sorted_indices()).has_canonical_format:
            raise ValueError("a value given twice")
    except ValueError as error:
        raise InputError(
            where,
            f"a damaged {matrix.format} matrix ({error})",
            "one sample and one feature of the matrix for every value",
            "Write the file again with the program that made it.",
        ) from error
    return np.ascontiguousarray(checked.toarray())


def read_anndata_matrix(path: str | os.PathLike[str], modality: str = "") -> Matrix:
    """Read the matrix of a `.h5ad` file, or that of a modality of a `.h5mu` file, of anybody."""
    where = os.fspath(path)
    if not where.lower().endswith(".h5mu"):
        return read_apart(path, lambda: from_anndata(_read(path, anndata.read_h5ad), where), _ANNDATA)

    def read() -> Matrix:
        mdata = _read(path, mudata.read_h5mu)
        if modality not in mdata.mod:
            raise InputError(
                f"{where}, .mod",
                f"no modality {modality!r}",
                f"one of {some(mdata.mod, 20)}",
                near(modality, mdata.mod),
            )
        return from_anndata(mdata.mod[modality], f"{where}, .mod[{modality!r}]")

    return read_apart(path, read, _MUDATA)


def read_obs(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the `.obs` of a `.h5ad` file of anybody as a clinical table: by sample, values as they are."""

    def read() -> pd.DataFrame:
        obs: pd.DataFrame = _read(path, anndata.read_h5ad).obs
        return obs.astype(object).set_axis(pd.Index([str(name).strip() for name in obs.index], name="sample"), axis=0)

    return read_apart(path, read, _ANNDATA)


def write_cohort(cohort: Cohort, path: str | os.PathLike[str]) -> None:
    """Write a cohort, each of whose samples has a modality, as `.h5mu`: the same bytes for the same cohort."""
    names, labels = _label_columns(cohort.target.task), cohort.target.values.reshape(len(cohort.samples), -1)
    obs = pd.DataFrame(
        {"group": cohort.groups, "site": cohort.sites, **dict(zip(names, labels.T, strict=True))},
        index=pd.Index(cohort.samples.astype(object), name="sample"),
    )
    modalities = {
        name: anndata.AnnData(
            modality.values,
            obs=pd.DataFrame(index=obs.index[modality.rows]),
            var=pd.DataFrame(index=pd.Index(modality.features.astype(object), name="feature")),
        )
        for name, modality in cohort.modalities.items()
    }
    about = {
        "format_version": FORMAT_VERSION,
        "name": cohort.name,
        "target": cohort.target.name,
        "task": cohort.target.task.name,
        "task_parameters": json.dumps(cohort.target.task.parameters),
        "teachers": np.array(cohort.teachers, dtype=object),
        "left_out": json.dumps(list(cohort.left_out.items())),
        "label_budget": cohort.label_budget,
        "derived_from": cohort.derived_from,
        "scales": json.dumps({name: [each.scale, each.made] for name, each in cohort.modalities.items()}),
    }
    write_mudata(make_mudata(modalities, obs, {_KEY: about}), path)


def read_cohort(path: str | os.PathLike[str]) -> Cohort:
    """Read what `write_cohort` wrote."""
    mdata = read_mudata(path)
    about = mdata.uns.get(_KEY, {})
    if (version := about.get("format_version")) != FORMAT_VERSION:
        raise InputError(
            f"{os.fspath(path)}, .uns[{_KEY!r}]",
            "no cohort of this package" if version is None else f"format {version}",
            f"a cohort of format {FORMAT_VERSION}",
            "Run `cch ingest` again with this version.",
        )
    obs = mdata.obs.sort_index()
    task = make_task(str(about["task"]), json.loads(about["task_parameters"]))
    labels = obs[_label_columns(task)].to_numpy(dtype=np.float64)
    scales = json.loads(about["scales"])
    modalities = {
        name: Modality(
            np.asarray(adata.X, dtype=np.float32),
            np.array(adata.var_names.tolist(), dtype=np.str_),
            np.asarray(obs.index.get_indexer(adata.obs_names), dtype=np.int64),
            *scales[name],
        )
        for name, adata in mdata.mod.items()
    }
    return Cohort(
        name=str(about["name"]),
        samples=np.array(obs.index.tolist(), dtype=np.str_),
        groups=np.array(obs["group"].tolist(), dtype=np.str_),
        sites=np.array(obs["site"].tolist(), dtype=np.str_),
        target=Target(str(about["target"]), task, labels[:, 0] if labels.shape[1] == 1 else labels),
        modalities=modalities,
        teachers=tuple(str(view) for view in about["teachers"]),
        label_budget=float(about["label_budget"]),
        derived_from=str(about["derived_from"]),
        left_out={tuple(views): reason for views, reason in json.loads(about["left_out"])},
    )


def _label_columns(task: Task) -> list[str]:
    """Columns of `.obs` with the target's values."""
    return [f"label{ending}" for ending in task.columns[0]]


@contextmanager
def _quiet() -> Iterator[None]:
    """Use MuData's coming default and silence its remarks on names that modalities share: genes have RNA and copies."""
    with mudata.set_options(pull_on_update=False), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="(?s).*(var_names|obs_names|[Vv]ariable names|[Oo]bservation names).*unique.*"
        )
        warnings.filterwarnings("ignore", message="Cannot join columns with the same name")
        warnings.filterwarnings("ignore", message=r"From 0\.4 \.update\(\) will not pull")
        yield
