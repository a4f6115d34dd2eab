"""Is an HDF5 file with tables of AnnData whole? What the libraries that read it take on trust is looked at before."""

import os

import h5py
import numpy as np

from cch_omics.errors import InputError, repeated, some

_WRITE_AGAIN = "Copy the file again, or write it again with the program that made it."


def check_structure(path: str | os.PathLike[str]) -> None:
    """Refuse a file whose parts are not all in it, or do not fit together, before values are read.

    All chunks of an array have to be there, which HDF5 would make up; a column of a table has to have a value per row.
    Compressed rows or columns are looked at once they are read (`cch_omics.data.mudata`).

    Raises
    ------
    InputError
        Names the path of the part.
    """
    where = os.fspath(path)

    def look_at(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            _check_array(where, name, item)
        elif item.attrs.get("encoding-type") == "dataframe":
            _check_frame(where, name, item)

    with h5py.File(path, "r") as file:
        # What is raised while links are visited is lost.
        if outside := file.visititems_links(lambda name, link: name if isinstance(link, h5py.ExternalLink) else None):
            raise _damage(where, outside, "a link to another file", "values in this file")
        file.visititems(look_at)
        listed = file["mod"].attrs.get("mod-order", list(file["mod"])) if "mod" in file else []
        if unlike := set(map(str, listed)) ^ set(file.get("mod", ())):
            found = f"modalities {some(sorted(unlike))} in its list or in it, not in both"
            raise _damage(where, "mod", found, "the same ones")
        modalities = [file["mod"][name] for name in map(str, listed)]
        for part in (file, *modalities):
            for table in ("obs", "var"):
                if not _is_frame(part.get(table)):
                    raise _damage(where, part.name, f"no table {table!r}", "tables of samples and of features")
        for part in modalities:
            if unknown := _rows(part["obs"]) - _rows(file["obs"]):
                found = f"samples that .obs of the file lacks: {some(sorted(unknown))}"
                raise _damage(where, f"{part.name}/obs", found, "samples of it")


def _check_array(where: str, name: str, array: h5py.Dataset) -> None:
    """All values of an array are in the file, and can be unpacked."""
    if array.is_virtual or array.external:
        raise _damage(where, name, "an array whose values are in other files", "values in this file")
    filters = array.id.get_create_plist()
    for position in range(filters.get_nfilters()):
        number, _, _, called = filters.get_filter(position)
        if not h5py.h5z.filter_avail(number):
            packed = f"values packed by {called.decode(errors='replace') or 'a filter'} (number {number})"
            raise InputError(
                f"{where}, {name}",
                f"{packed}, which is not installed",
                "values that HDF5 itself can unpack",
                "Write the file again with compression='gzip' or none.",
            )
    text = h5py.check_string_dtype(array.dtype)
    if text and text.length is None and array.attrs.get("encoding-type") == "array":
        raise _damage(where, name, "text that is called an array of numbers", "what its attributes say")
    if not array.size:
        return
    chunks = int(np.prod([-(-n // m) for n, m in zip(array.shape, array.chunks, strict=True)])) if array.chunks else 1
    written = array.id.get_num_chunks() if array.chunks else int(array.id.get_storage_size() > 0)
    if written < chunks:
        raise _damage(where, name, f"{written} of {chunks} chunks of an array of shape {array.shape}", "all of them")


def samples_of_h5mu(path: str | os.PathLike[str]) -> int:
    """Rows of `.obs` of a MuData file."""
    with h5py.File(path, "r") as file:
        return len(file["obs"][file["obs"].attrs["_index"]])


def _check_frame(where: str, name: str, frame: h5py.Group) -> None:
    """A table has the columns that it lists, each with a value per row."""
    listed = [str(column) for column in frame.attrs["column-order"]]
    index = str(frame.attrs["_index"])
    if double := repeated([*listed, index]):
        raise _damage(where, name, f"the column {some(double)} more than once", "each column once")
    if unlike := {*listed, index} ^ (set(frame) - {"__categories"}):
        raise _damage(where, name, f"columns {some(sorted(unlike))} in its list or in it, not in both", "the same ones")
    rows = _shape(frame[index])
    for column in listed:
        found = _shape(frame[column])
        if found != rows or len(rows) != 1:
            raise _damage(where, f"{name}/{column}", f"a column of shape {found}", f"one value per row, shape {rows}")


def _is_frame(item: h5py.Dataset | h5py.Group | None) -> bool:
    """Whether an item is a table; before version 0.7 AnnData wrote records."""
    if isinstance(item, h5py.Dataset):
        return item.dtype.names is not None
    return item is not None and item.attrs.get("encoding-type") == "dataframe"


def _rows(frame: h5py.Dataset | h5py.Group) -> set[str]:
    """Names of the rows of a table; none if it is of the kind that AnnData wrote before version 0.7."""
    return set(frame[frame.attrs["_index"]].asstr()[()]) if "_index" in frame.attrs else set()


def _shape(column: h5py.Dataset | h5py.Group) -> tuple[int, ...]:
    """Shape of a column, which has parts where it is categorical or has missing values."""
    parts = [column] if isinstance(column, h5py.Dataset) else [column[part] for part in column if part != "categories"]
    shapes = {part.shape for part in parts}
    return shapes.pop() if len(shapes) == 1 else ()


def _damage(where: str, name: str, found: str, expected: str) -> InputError:
    return InputError(f"{where}, {name}", found, expected, _WRITE_AGAIN)
