"""Whatever is done to the bundle of a student, it predicts as it did or is refused."""

import copy
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzzing import fuzz
from hypothesis import given
from hypothesis import strategies as st
from test_student import SIZES, SUBTYPE, N, make_cohort, make_network, make_one

from cch_omics.errors import InputError
from cch_omics.student.bundle import ABOUT_FILE, WEIGHTS_FILE, write_student
from cch_omics.student.predict import predict_file
from cch_omics.tasks.base import Task
from cch_omics.tasks.regression import Regression
from cch_omics.tasks.survival import Survival

TASKS: dict[str, Task] = {
    "classification": SUBTYPE,
    "regression": Regression.of(np.linspace(-1, 1, 60)),
    "survival": Survival.of(np.column_stack([np.linspace(10, 1000, 60), np.arange(60) % 2.0])),
}
VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20), st.just([]), st.just({}),
    st.sampled_from(["classification", "regression", "survival", "NaN", "1e999", "</script>", "\ud800"]),
    st.lists(st.floats(), max_size=3), st.lists(st.text(max_size=3), max_size=3),
)  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of each task, and a table."""
    room = tmp_path_factory.mktemp("good")
    for name, task in TASKS.items():
        cohort = make_cohort(task)
        write_student(room / name, make_one(cohort, make_network(1, SIZES["cnv"], task.n_outputs)))
    values = cohort.modalities["cnv"]
    pd.DataFrame(values.values, columns=values.features).to_csv(room / "new.csv")
    return room


def predict_or_refuse(folder: Path, good: Path) -> pd.DataFrame | None:
    """The predictions, or None when the bundle was refused with a message that is whole."""
    output = folder.parent / "predictions.tsv"
    output.unlink(missing_ok=True)
    try:
        predict_file(folder, good / "new.csv", output)
    except InputError as error:
        assert all((error.where, error.found, error.expected, error.advice))
        assert not output.exists()
        return None
    table = pd.read_csv(output, sep="\t", keep_default_na=False, na_values=[""])
    assert len(table) == N and table["prediction"].notna().all()
    return table


def places(content: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to all parts of a JSON value."""
    yield at
    for key, part in content.items() if isinstance(content, dict) else enumerate(content) if at else ():
        if isinstance(part, dict | list):
            yield from places(part, (*at, key))
        else:
            yield (*at, key)


@pytest.mark.parametrize("name", TASKS)
@fuzz(40)
@given(data=st.data())
def test_any_part_of_the_description_exchanged(good: Path, tmp_path: Path, name: str, data: st.DataObject) -> None:
    folder = tmp_path / "student"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good / name, folder)
    about = json.loads((folder / ABOUT_FILE).read_text())
    for _ in range(data.draw(st.integers(1, 2))):
        *above, last = data.draw(st.sampled_from([place for place in places(about) if place]))
        part = about
        for key in above:
            part = part[key]
        change = data.draw(st.sampled_from(["exchange", "exchange", "remove", "add", "repeat"]))
        if change == "exchange":
            part[last] = data.draw(VALUE)
        elif change == "remove":
            del part[last]
        elif isinstance(part, dict):
            part[data.draw(st.text(max_size=5))] = copy.deepcopy(part[last])
        else:
            part.insert(0, copy.deepcopy(part[last]))
    (folder / ABOUT_FILE).write_text(json.dumps(about), encoding="utf-8", errors="surrogatepass")
    predict_or_refuse(folder, good)


@pytest.mark.parametrize("name", TASKS)
@fuzz(40)
@given(data=st.data())
def test_bytes_of_the_weights_changed_with_their_checksum(
    good: Path, tmp_path: Path, name: str, data: st.DataObject
) -> None:
    """Weights of other values are another model, which no checksum of its own can tell; all else is refused."""
    folder = tmp_path / "student"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good / name, folder)
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    # Mostly in the header, which says what the other bytes are.
    position = data.draw(
        st.one_of(st.integers(0, 700), st.integers(0, len(content) - 1)).map(lambda p: p % len(content))
    )
    written = data.draw(st.binary(max_size=8))
    content[position : position + data.draw(st.sampled_from([len(written), len(written), 0]))] = written
    (folder / WEIGHTS_FILE).write_bytes(
        bytes(content[: data.draw(st.sampled_from([len(content), len(content), position]))])
    )
    about = json.loads((folder / ABOUT_FILE).read_text())
    if data.draw(st.booleans()):
        about["weights_sha256"] = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
        (folder / ABOUT_FILE).write_text(json.dumps(about))
        predict_or_refuse(folder, good)
    elif bytes((folder / WEIGHTS_FILE).read_bytes()) != (good / name / WEIGHTS_FILE).read_bytes():
        assert predict_or_refuse(folder, good) is None
