"""Tools for notebooks."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from cch_omics.config import (
    CriterionConfig,
    DistillationConfig,
    EncoderConfig,
    InformationConfig,
    SheetRow,
    SplitsConfig,
    section,
)
from cch_omics.criteria.cch import ask_pilots, decide
from cch_omics.distillation import distil
from cch_omics.encoders import encode
from cch_omics.information.pairs import estimate_pairs
from cch_omics.io.assemble import assemble
from cch_omics.io.mudata import from_mudata
from cch_omics.pilots import network_pilots
from cch_omics.splits import make_splits

if TYPE_CHECKING:
    from mudata import MuData


def cch(
    mdata: "MuData",
    *,
    target: str,
    modalities: Collection[str] = (),
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
    """Should a model on one omics be distilled from another? A verdict for every ordered pair of modalities.

    The same numbers as the workflow's `verdicts.tsv`, on one core, and the same outer training sets, whose pilots a
    verdict is made of. What distilling gained on their test patients is in the workflow's results.

    Parameters
    ----------
    mdata
        Modalities in `.mod`, samples x features, NaN where a value is missing; patients may lack modalities or labels.
    target
        The column of `.obs` with the class labels.
    modalities, classes
        Those to use; by default all. Labels of other classes count as missing.
    group
        The column of `.obs` with patient ids; by default patients are told by TCGA barcode, or are the samples.
    splits, encoder, information, criterion, distillation
        Keys of these sections of the configuration, where they differ from the defaults. With the criterion's `pilot`
        at `linear` no students are distilled.
    seed
        Of every random number.
    device
        Of torch.
    key_added
        Where the table is stored.

    Returns
    -------
    DataFrame
        One row per ordered pair, with the columns of `keys.VERDICT_COLUMNS`; information in nats. Also in
        `mdata.uns[key_added]`.

    Raises
    ------
    InputError
        If the target, a modality or a class is not there, or the cohort is too small for the folds.
    """
    row = section(
        SheetRow,
        {
            "cohort": "mdata",
            "source": "mdata",
            "target": target,
            "modalities": ",".join(modalities),
            "classes": ",".join(classes),
            "group": group,
        },
        "tl.cch",
    )
    cohort, _ = assemble(from_mudata(mdata, "mdata", modalities), row)
    drawn = make_splits(cohort, section(SplitsConfig, splits or {}, "tl.cch, splits"), seed=seed)
    networks = section(EncoderConfig, encoder or {}, "tl.cch, encoder")
    encodings = {
        name: encode(cohort, drawn, name, networks, seed=seed, device=torch.device(device))
        for name in cohort.modalities
    }
    estimates = section(InformationConfig, information or {}, "tl.cch, information")
    pairs = estimate_pairs(cohort, drawn, encodings, estimates, seed=seed, device=device)
    rule = section(CriterionConfig, criterion or {}, "tl.cch, criterion")
    if rule.pilot == "network":
        soft_targets = section(DistillationConfig, distillation or {}, "tl.cch, distillation")
        taught = {
            name: distil(
                cohort,
                drawn,
                encodings,
                name,
                soft_targets,
                networks,
                seed=seed,
                device=torch.device(device),
                shuffled_controls=False,
            )
            for name in encodings
        }
        pairs = ask_pilots(pairs, network_pilots(cohort, drawn, encodings, taught))
    verdicts = decide(pairs, rule, target=target)
    table = verdicts[verdicts["repeat"] == -1].drop(columns=["repeat", "fold"]).reset_index(drop=True)
    mdata.uns[key_added] = table
    return table
