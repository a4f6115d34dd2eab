"""Tools for notebooks."""

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import mudata
import pandas as pd

from cch_omics.config import comma_cell, load_config, make_row, target_cell
from cch_omics.data.assemble import assemble
from cch_omics.data.mudata import from_mudata
from cch_omics.data.scale import scale_warning
from cch_omics.errors import InputError, near, some
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.pp import check_scales
from cch_omics.runtime.device import choose_device
from cch_omics.splits import make_splits
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.evidence import gather
from cch_omics.verdict.rule import choose_teachers, decide
from cch_omics.views import teachers_of, views_of

_DEVICES = ("auto", "cpu", "cuda")


def cch(
    mdata: mudata.MuData,
    *,
    target: str,
    task: str = "",
    modalities: Collection[str] = (),
    teachers: Collection[str] = (),
    classes: Collection[object] = (),
    transform: str = "",
    scale: Mapping[str, str] | None = None,
    group: str = "",
    splits: dict[str, Any] | None = None,
    encoder: dict[str, Any] | None = None,
    information: dict[str, Any] | None = None,
    criterion: dict[str, Any] | None = None,
    distillation: dict[str, Any] | None = None,
    seed: int = 0,
    device: str = "cpu",
    key_added: str = "cch",
) -> pd.DataFrame:
    """Should a model on one omics be distilled from another? A verdict for every teacher and student.

    The same numbers as the workflow's `verdicts.tsv` and `teachers.tsv`, on one core. What distilling gained on test
    patients is in the workflow's results.

    Parameters
    ----------
    mdata
        Modalities in `.mod`, samples x features, NaN where a value is missing; patients may lack modalities or labels.
        In memory, a view, or a backed file.
    target
        The column of `.obs` with the labels: classes or numbers; of a survival time, what comes before `_time` and
        `_event` in the names of its two columns. `MODALITY:COLUMN` is a column of that modality's own `.obs`.
    task
        A name in `cch_omics.tasks.TASKS`; by default seen from the column.
    modalities
        Those to use; by default all.
    teachers
        Views that may teach, such as `rna` or `rna+cnv`; by default every modality.
    classes
        Those to use; by default all. Labels of other classes count as missing.
    transform
        Of a number: models learn its logarithm (`log`) or its normal scores (`rank_normal`), fitted on training labels.
    scale
        Scales of modalities, names of `cch_omics.data.working_scale.SCALES`, such as `{"rna": "counts"}`; by default
        told from the values. A warning says so where something is made of values on a scale that was told.
    group
        The column of `.obs` with patient ids; by default patients are told by TCGA barcode, or are the samples.
    splits, encoder, information, criterion, distillation
        Keys of these sections of the configuration, where they differ from the defaults. With a criterion whose `rule`
        needs no distillation no students are trained.
    seed
        Of every random number.
    device
        `cpu`; `cuda`, a GPU; `auto`, a GPU where this job has one.
    key_added
        Where the tables are stored.

    Returns
    -------
    DataFrame
        One row per teacher, student and recipe, with the columns of `keys.VERDICT_COLUMNS`; information in nats. Also
        in `mdata.uns[key_added]`; the teacher of each student, with the columns of `keys.TEACHER_COLUMNS`, in
        `mdata.uns[f"{key_added}_teachers"]`.

    Raises
    ------
    InputError
        If `mdata` is something else, the target, a modality or a class is not there, a setting is none, or the cohort
        is too small for the folds. `mdata` is then as it was.
    """
    _check_types(mdata, target, key_added, device, modalities=modalities, teachers=teachers, classes=classes)
    scales = check_scales("tl.cch", scale)
    row = make_row(
        {
            "cohort": "mdata",
            "source": "mdata",
            "target": target_cell(target),
            "task": task,
            "modalities": comma_cell(modalities),
            "teachers": ";".join(map(str, teachers)),
            "classes": comma_cell(classes),
            "transform": transform,
            "scale": ";".join(f"{name}={each}" for name, each in scales.items()),
            "group": group,
        },
        "tl.cch",
    )
    sections = {
        "splits": splits,
        "encoder": encoder,
        "information": information,
        "criterion": criterion,
        "distillation": distillation,
    }
    given = {name: keys for name, keys in sections.items() if keys is not None}
    settings = load_config({"cohorts": "mdata", "seed": seed, **given}, "tl.cch")
    on = choose_device(device)

    cohort, notes = assemble(from_mudata(mdata, "mdata", modalities), row, splits=settings.splits)
    said = [f"{name}: {text}" for name, table in notes.tables.items() if (text := scale_warning(name, table.scale))]
    for reason in (*cohort.left_out.values(), *said):
        warnings.warn(reason, stacklevel=2)
    drawn = make_splits(cohort, settings.splits, seed=seed)
    encodings = {view: encode(cohort, drawn, view, settings.encoder, seed=seed, device=on) for view in views_of(cohort)}
    shared = estimate_pairs(cohort, drawn, encodings, settings.information, seed=seed, device=on)
    students = None
    if CRITERIA[settings.criterion.rule].needs_distillation:
        students = {
            name: distil(
                cohort,
                drawn,
                encodings,
                name,
                teachers_of(cohort, name),
                settings.distillation,
                settings.encoder,
                seed=seed,
                device=on,
                shuffled_controls=False,
            )
            for name in cohort.modalities
        }
    evidence = gather(cohort, drawn, encodings, students, shared)
    verdicts = decide(evidence, settings.criterion, cohort.target)
    chosen = choose_teachers(evidence, settings.criterion, cohort.target, cohort.modalities)
    mdata.uns[key_added] = verdicts
    mdata.uns[f"{key_added}_teachers"] = chosen
    return verdicts


def _check_types(mdata: object, target: object, key_added: object, device: object, **lists: Collection[object]) -> None:
    """Refuse what is of another kind than it should be, before it is taken for something that it is not."""
    if not isinstance(mdata, mudata.MuData):
        raise InputError(
            "tl.cch, mdata",
            f"{type(mdata).__name__}",
            "MuData with at least two modalities",
            "`mudata.read_h5mu(PATH)` reads a file; `mudata.MuData({'rna': ADATA, 'cnv': OTHER})` joins AnnData.",
        )
    if len(mdata.mod) < 2:
        advice = "A student needs another omics to learn from."
        raise InputError("tl.cch, mdata", f"the modalities {some(mdata.mod)}", "at least two", advice)
    for name, text in (("target", target), ("key_added", key_added)):
        if not isinstance(text, str) or not text:
            raise InputError(f"tl.cch, {name}", repr(text), "text", f"Give {name} as text.")
    for name, items in lists.items():
        if isinstance(items, str) or not isinstance(items, Collection):
            raise InputError(f"tl.cch, {name}", repr(items), "a list", f"Write {name}=[...], also for a single one.")
    if device not in _DEVICES:
        raise InputError("tl.cch, device", repr(device), f"one of {', '.join(_DEVICES)}", near(str(device), _DEVICES))
