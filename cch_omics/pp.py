"""Preprocessing for notebooks: what `tl.cch` and the workflow do to the values by themselves, to look at it."""

import warnings
from collections.abc import Mapping

import mudata
import pandas as pd

from cch_omics.data.mudata import from_anndata
from cch_omics.data.scale import on_working_scale, scale_table
from cch_omics.data.working_scale import named_scales
from cch_omics.errors import InputError, near


def working_scale(
    mdata: mudata.MuData, *, scale: Mapping[str, str] | None = None, key_added: str = "cch_scales"
) -> pd.DataFrame:
    """Make of the values what models learn from, each sample by itself: of raw counts log(1 + counts per million).

    `tl.cch` gives the same verdicts before and after.

    Parameters
    ----------
    mdata
        Modalities in `.mod`, whose `.X` is (n, p), samples x features, NaN where a value is missing. It is replaced
        where something is made of it. A warning says so where there are layers or `.raw`, which are not read.
    scale
        Scales of modalities, names of `cch_omics.data.working_scale.SCALES`; by default told from the values.
    key_added
        Where the table is stored.

    Returns
    -------
    DataFrame
        By modality `scale`; `asked`, whether it was given; `made`, what was made of the values, "" for nothing; `min`
        and `max` of the values as they were, in their own unit, such as counts; `warning`. Also in
        `mdata.uns[key_added]`.

    Raises
    ------
    InputError
        If `mdata` is a view or a backed file, a modality or a scale is not there, or values are not on the scale that
        was given. `mdata` is then as it was.

    Examples
    --------
    >>> cch_omics.pp.working_scale(mdata, scale={"rna": "counts", "methylation": "beta"})
    """
    if not isinstance(mdata, mudata.MuData) or mdata.isbacked or mdata.is_view:
        found = "a backed file or a view" if isinstance(mdata, mudata.MuData) else type(mdata).__name__
        advice = "Read it with `mudata.read_h5mu(PATH)`, or copy the view."
        raise InputError("pp.working_scale, mdata", found, "MuData in memory", advice)
    scales = named_scales("pp.working_scale", scale)
    if unknown := scales.keys() - mdata.mod.keys():
        name = min(unknown)
        raise InputError("pp.working_scale, scale", f"the modality {name!r}", "one of .mod", near(name, mdata.mod))
    read = {name: from_anndata(adata, f"mdata, .mod[{name!r}]") for name, adata in mdata.mod.items()}
    made = {name: on_working_scale(matrix, name, scales.get(name, "")) for name, matrix in read.items()}
    for name, matrix in read.items():
        for sentence in matrix.remarks:
            warnings.warn(f"{name}: {sentence}", stacklevel=2)
    for name, (matrix, scale_of) in made.items():
        if scale_of["made"]:
            mdata.mod[name].X = matrix.values
    table = scale_table({name: scale_of for name, (_, scale_of) in made.items()})
    mdata.uns[key_added] = table
    return table
