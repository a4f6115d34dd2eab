"""Tools for notebooks."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from cch_omics.config import SheetRow, load_config, section
from cch_omics.data.assemble import assemble
from cch_omics.data.mudata import from_mudata
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.distil import distil
from cch_omics.models.encode import encode
from cch_omics.splits import make_splits
from cch_omics.verdict.criteria import CRITERIA
from cch_omics.verdict.evidence import gather
from cch_omics.verdict.rule import choose_teachers, decide
from cch_omics.views import teachers_of, views_of

if TYPE_CHECKING:
    from mudata import MuData


def cch(
    mdata: "MuData",
    *,
    target: str,
    task: str = "",
    modalities: Collection[str] = (),
    teachers: Collection[str] = (),
    classes: Collection[str] = (),
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
    target
        The column of `.obs` with the labels: classes or numbers; of a survival time, what comes before `_time` and
        `_event` in the names of its two columns.
    task
        A name in `cch_omics.tasks.TASKS`; by default seen from the column.
    modalities
        Those to use; by default all.
    teachers
        Views that may teach, such as `rna` or `rna+cnv`; by default every modality.
    classes
        Those to use; by default all. Labels of other classes count as missing.
    group
        The column of `.obs` with patient ids; by default patients are told by TCGA barcode, or are the samples.
    splits, encoder, information, criterion, distillation
        Keys of these sections of the configuration, where they differ from the defaults. With a criterion whose `rule`
        needs no distillation no students are trained.
    seed
        Of every random number.
    device
        Of torch.
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
        If the target, a modality or a class is not there, a setting is none, or the cohort is too small for the folds.
    """
    row = section(
        SheetRow,
        {
            "cohort": "mdata",
            "source": "mdata",
            "target": target,
            "task": task,
            "modalities": ",".join(modalities),
            "teachers": ";".join(teachers),
            "classes": ",".join(classes),
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
    on = torch.device(device)

    cohort, _ = assemble(from_mudata(mdata, "mdata", modalities), row, splits=settings.splits)
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
    mdata.uns[key_added] = verdicts
    chosen = choose_teachers(evidence, settings.criterion, cohort.target, cohort.modalities)
    mdata.uns[f"{key_added}_teachers"] = chosen
    return verdicts
