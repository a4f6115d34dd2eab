"""Tools for notebooks."""

import json
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import mudata
import numpy as np
import pandas as pd
from scipy.linalg import orthogonal_procrustes
from tqdm import tqdm

import cch_omics
from cch_omics.cohort import Cohort
from cch_omics.config import comma_cell, load_config, make_row, target_cell
from cch_omics.data.assemble import assemble
from cch_omics.data.audit import audit
from cch_omics.data.barcodes import read_id
from cch_omics.data.mudata import from_mudata
from cch_omics.data.scale import scale_table
from cch_omics.data.working_scale import named_scales
from cch_omics.errors import InputError, near, some
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.models.out_of_fold import Encoding
from cch_omics.runtime.device import choose_device
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.base import Floats
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
    progress: bool = True,
) -> pd.DataFrame:
    """Should a model on one omics be distilled from another? A verdict for every teacher and student.

    The same numbers as the workflow's `verdicts.tsv` and `teachers.tsv`, on one core. What distilling gained on test
    patients is in the workflow's results. What is odd in the data is said in warnings, those of `cch ingest`.

    Parameters
    ----------
    mdata
        Modalities in `.mod`, samples x features, NaN where a value is missing; patients may lack modalities or labels.
        In memory, a view, or a backed file.
    target
        The column of `.obs` with the labels: classes or numbers; of a survival time, what comes before `_time` and
        `_event` in the names of its two columns. `MODALITY:COLUMN` is a column of that modality's own `.obs`.
    task
        A name in `cch_omics.tasks.TASKS`; by default seen from the column: text, booleans and at most ten different
        numbers are classes.
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
        told from the values, with a warning where something is made of them.
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
        Name of what is stored, as listed below.
    progress
        Whether a bar on standard error shows how far it is.

    Returns
    -------
    DataFrame
        One row per teacher, student and recipe, with the columns of `keys.VERDICT_COLUMNS`; information in nats. This
        and more is stored in `mdata`, and stays with it when it is written and read:

        - `.uns["cch"]`: the table of verdicts;
        - `.uns["cch_teachers"]`: the teacher of each student, or none, with the columns of `keys.TEACHER_COLUMNS`;
        - `.uns["cch_evidence"]`: all that is known of each pair and recipe, a row per outer training set, and one of
          the full cohort, where `repeat` and `fold` are -1;
        - `.uns["cch_about"]`: target, task and its parameters (JSON), metric of the gains, rule, seed and version;
        - `.uns["cch_audit"]`: `warnings`, the sentences that were warned of, and `scales`, by modality the columns of
          the table of `pp.working_scale`;
        - `.mod[MODALITY].obsm["X_cch"]`: (n, `encoder.units`) representation of each sample by an encoder that did not
          see it, for plots; NaN for samples that were not used. The encoders of different inner folds are rotated onto
          the axes of that of the full cohort, which changes no distance within a fold.

    Raises
    ------
    InputError
        If `mdata` is something else, the target, a modality or a class is not there, a setting is none, or the cohort
        is too small for the folds. `mdata` is then as it was.

    Examples
    --------
    >>> import cch_omics, mudata
    >>> mdata = mudata.read_h5mu("cohort.h5mu")
    >>> verdicts = cch_omics.tl.cch(mdata, target="er_status")
    >>> mdata.uns["cch_teachers"][["student", "teacher", "verdict"]]
    >>> cch_omics.pl.gap_matrix(mdata)
    """
    _check_types(mdata, target, key_added, device, modalities=modalities, teachers=teachers, classes=classes)
    sections = {
        "splits": splits,
        "encoder": encoder,
        "information": information,
        "criterion": criterion,
        "distillation": distillation,
    }
    given = {name: keys for name, keys in sections.items() if keys is not None}
    columns = {
        "cohort": "mdata",
        "source": "mdata",
        "target": target_cell(target),
        "task": task,
        "modalities": comma_cell(modalities),
        "teachers": ";".join(map(str, teachers)),
        "classes": comma_cell(classes),
        "transform": transform,
        "scale": ";".join(f"{name}={each}" for name, each in named_scales("tl.cch", scale).items()),
        "group": group,
    }
    row = make_row(columns, "tl.cch", "argument")
    settings = load_config({"cohorts": "mdata", "seed": seed, **given}, "tl.cch", "argument")
    on = choose_device(device)
    cohort, notes = assemble(from_mudata(mdata, "mdata", modalities), row, splits=settings.splits)
    drawn = make_splits(cohort, settings.splits, seed=seed)
    said = list(dict.fromkeys(audit(cohort, notes, settings.splits)["warnings"]))
    for sentence in said:
        warnings.warn(sentence, stacklevel=2)

    views, distils = views_of(cohort), CRITERIA[settings.criterion.rule].needs_distillation
    steps = len(views) + 1 + distils * len(cohort.modalities)
    with tqdm(total=steps, disable=not progress, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}") as bar:
        encodings = {
            view: encode(
                cohort, drawn, view, settings.encoder, seed=seed, device=on, progress=_step(bar, f"encode {view}")
            )
            for view in views
        }
        of_pairs = _step(bar, "mutual information")
        shared = estimate_pairs(cohort, drawn, encodings, settings.information, seed=seed, device=on, progress=of_pairs)
        students = None
        if distils:
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
                    progress=_step(bar, f"distil {name}"),
                )
                for name in cohort.modalities
            }
        bar.set_description_str("done")
        bar.update(steps - bar.n)
    evidence = gather(cohort, drawn, encodings, students, shared)
    verdicts = decide(evidence, settings.criterion, cohort.target)
    chosen = choose_teachers(evidence, settings.criterion, cohort.target, cohort.modalities)
    mdata.uns[key_added] = verdicts
    mdata.uns[f"{key_added}_teachers"] = chosen
    mdata.uns[f"{key_added}_evidence"] = evidence
    mdata.uns[f"{key_added}_about"] = {
        "target": target,
        "task": cohort.target.task.name,
        "task_parameters": json.dumps(cohort.target.task.parameters),
        "metric": cohort.target.task.primary,
        "rule": settings.criterion.rule,
        "seed": seed,
        "version": cch_omics.__version__,
    }
    mdata.uns[f"{key_added}_audit"] = {
        "warnings": np.array(said, dtype=object),
        "scales": scale_table({name: table.scale for name, table in notes.tables.items()}),
    }
    for name in cohort.modalities:
        ids = mdata.mod[name].obs_names
        mdata.mod[name].obsm[f"X_{key_added}"] = _held_out(cohort, drawn, encodings[name], name, ids)
    return verdicts


def _step(bar: tqdm, text: str) -> Callable[[int, int], None]:
    """How a step says that some of its splits are done: the bar moves by their share of one step."""
    before = bar.n

    def done(splits: int, total: int) -> None:
        bar.set_description_str(text, refresh=False)
        bar.update(before + splits / total - bar.n)

    return done


def _held_out(cohort: Cohort, splits: Splits, encoding: Encoding, modality: str, ids: pd.Index) -> Floats:
    """(n, r) held-out representations of the full cohort, for the samples that `ids` name, on common axes.

    Each inner fold's are turned by the orthogonal matrix that brings them nearest to those of the encoder of the full
    cohort (Schönemann 1966).
    """
    data, inner = cohort.modalities[modality], splits.inner[splits.full]
    found = encoding.representation[splits.full]
    aligned = np.full((len(cohort.samples) + 1, found.shape[1]), np.nan)
    assert encoding.network is not None  # every modality has one
    common = encoding.network.representation(data.values)
    for fold in range(splits.n_inner):
        of_fold = inner[data.rows] == fold
        if not of_fold.any():
            continue
        rows, axes = data.rows[of_fold], common[of_fold]
        centred = found[rows] - found[rows].mean(0)
        turn, _ = orthogonal_procrustes(centred, axes - axes.mean(0))
        aligned[rows] = centred @ turn + axes.mean(0)
    place = {name: position for position, name in enumerate(cohort.samples.tolist())}
    said = [read_id(str(name).strip()) for name in ids]
    # The last row, of no sample, has no values.
    at = [-1 if each.normal else place.get(each.sample, place.get(each.patient, -1)) for each in said]
    return aligned[at]


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
        advice = "A student needs another modality to learn from."
        raise InputError("tl.cch, mdata", f"the modalities {some(mdata.mod)}", "at least two", advice)
    for name, text in (("target", target), ("key_added", key_added)):
        if not isinstance(text, str) or not text:
            raise InputError(f"tl.cch, {name}", repr(text), "text", f"Give {name} as text.")
    for name, items in lists.items():
        if isinstance(items, str) or not isinstance(items, Collection):
            raise InputError(f"tl.cch, {name}", repr(items), "a list", f"Write {name}=[...], also for a single one.")
    if device not in _DEVICES:
        raise InputError("tl.cch, device", repr(device), f"one of {', '.join(_DEVICES)}", near(str(device), _DEVICES))
