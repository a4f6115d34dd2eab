"""The verdicts for a page of MultiQC, which finds files whose names end in `_mqc.tsv` by itself."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cch_omics import keys
from cch_omics.evaluation.gains import concatenated
from cch_omics.report.results import checked_table
from cch_omics.runtime.files import atomic
from cch_omics.runtime.formats import table_text
from cch_omics.vocabulary import VERDICTS, pair_names

# What MultiQC reads before the table; https://docs.seqera.io/multiqc/custom_content
HEAD = """\
# id: cch_omics_verdicts
# section_name: Cross-omics distillation
# description: "by cch_omics: whether a model on one omics should be distilled from another"
# plot_type: table
# file_format: tsv
# headers:
#   Verdict: {}
#   P(gain > 0): {min: 0, max: 1, format: "{:.2f}"}
#   P(gap > 0): {min: 0, max: 1, format: "{:.2f}"}
#   Gap, nats: {format: "{:+.2f}"}
#   Chosen: {description: "whether the rule in force chose this teacher for the student"}
"""


def write_multiqc(folders: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]) -> None:
    """Write the verdicts of all cohorts and targets as custom content of MultiQC: a row for each pair and recipe.

    Parameters
    ----------
    folders
        `results/{cohort}/{target}` of each, with its verdicts.tsv and teachers.tsv.

    Raises
    ------
    InputError
        If a file is missing or lacks a column.
    """
    parts, pair = [], list(keys.PAIR_COLUMNS)
    for folder in map(Path, folders):
        verdicts = checked_table(folder / "verdicts.tsv", keys.VERDICT_COLUMNS)
        teachers = checked_table(folder / "teachers.tsv", keys.TEACHER_COLUMNS)
        chosen = set(teachers[pair].itertuples(index=False, name=None))
        cohort, target = folder.resolve().parts[-2:]
        parts.append(
            pd.DataFrame(
                {
                    "Sample": [f"{cohort}, {target}: {name}" for name in pair_names(verdicts)],
                    "Verdict": verdicts["verdict"].map(VERDICTS),
                    "P(gain > 0)": verdicts["p_gain_positive"],
                    "P(gap > 0)": verdicts["p_gap_positive"],
                    "Gap, nats": verdicts["gap"],
                    "Chosen": [
                        "yes" if each in chosen else "no" for each in verdicts[pair].itertuples(index=False, name=None)
                    ],
                }
            )
        )
    table = concatenated(parts, tuple(parts[0].columns))
    with atomic(output) as draft:
        draft.write_text(HEAD + table_text(table), encoding="utf-8", newline="")
