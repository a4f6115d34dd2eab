"""What distillation gained on test patients, and how well the criteria foretold it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from cch_omics.cohort import Cohort
from cch_omics.config import CriterionConfig
from cch_omics.evaluation.advised import advised_gains
from cch_omics.evaluation.gains import comparisons, gains, members, performance, scores_of_models, summarise
from cch_omics.evaluation.scorecard import criteria_table, scorecard
from cch_omics.models.out_of_fold import Encoding, OutOfFold
from cch_omics.splits import Splits
from cch_omics.verdict.evidence import with_pilots
from cch_omics.verdict.pilot import pilots


@dataclass(frozen=True)
class Evaluation:
    """The tables of a cohort; their columns are in `keys`."""

    gains: pd.DataFrame
    references: pd.DataFrame
    summary: pd.DataFrame
    performance: pd.DataFrame
    comparisons: pd.DataFrame
    members: pd.DataFrame
    criteria: pd.DataFrame
    advised: pd.DataFrame
    scorecard: pd.DataFrame


def evaluate(
    cohort: Cohort,
    splits: Splits,
    encodings: Mapping[str, Encoding],
    students: Mapping[str, OutOfFold],
    baselines: Mapping[str, OutOfFold],
    evidence: pd.DataFrame,
    criterion: CriterionConfig,
) -> Evaluation:
    """Score students and baselines on the test patients, and the criteria by the realised gains.

    Where the rule in force needed no pilots, the pilots of the students that were distilled are scored beside it.
    """
    if evidence["pilot_gain"].isna().all():
        evidence = with_pilots(evidence, pilots(cohort, splits, encodings, students), cohort.target.task)
    gained_over = gains(cohort, splits, students)
    scores = scores_of_models(cohort, splits, students, column="model")
    references = scores_of_models(cohort, splits, baselines, column="baseline")
    summary = summarise(gained_over)
    criteria = criteria_table(cohort.name, cohort.target, evidence, criterion, summary)
    advised = advised_gains(cohort.name, cohort.target, evidence, criterion, gained_over)
    return Evaluation(
        gains=gained_over,
        references=references,
        summary=summary,
        performance=performance(scores, references, cohort.target.task.metrics),
        comparisons=comparisons(scores, references, cohort.target.task.primary),
        members=members(students),
        criteria=criteria,
        advised=advised,
        scorecard=scorecard(criteria, advised),
    )
