"""How well criteria foretold the realised gains: the rule in force beside the paper's rule and what is simpler."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cch_omics import keys
from cch_omics.cohort import Target
from cch_omics.config import CriterionConfig
from cch_omics.tasks.ranks import rankdata
from cch_omics.verdict.criteria import CRITERIA

# Beside the rule in force.
SHOWN = ("pilot", "cch", "accuracy_difference", "always", "never")
PAIR = list(keys.PAIR_COLUMNS)


def judged(evidence: pd.DataFrame, criterion: CriterionConfig) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of evidence with the `score` and `decision` of each criterion, by its name; the rule in force comes first.

    Criteria that need pilots are left out where there are none.
    """
    rows = evidence.to_dict("records")
    for name in dict.fromkeys((criterion.rule, *SHOWN)):
        rule = CRITERIA[name]
        score = np.array([rule.score(row) for row in rows], dtype=np.float64)
        if rule.needs_distillation and np.isnan(score).all():
            continue
        yield name, evidence.assign(score=score, decision=[rule.decide(row, criterion.confidence) for row in rows])


def criteria_table(
    cohort: str, target: Target, evidence: pd.DataFrame, criterion: CriterionConfig, summary: pd.DataFrame
) -> pd.DataFrame:
    """Score and decision of each criterion for every pair and recipe, beside the realised gain in the primary metric.

    A score is the mean over the outer training sets that have one, or else that of the full cohort; the decision is
    that on the full cohort.

    Parameters
    ----------
    evidence
        Of `verdict.evidence.gather`.
    summary
        Of `gains.summarise`.

    Returns
    -------
    DataFrame
        `keys.CRITERIA_COLUMNS`. Criteria that need pilots are left out where there are none.
    """
    realised = summary[(summary["metric"] == target.task.primary) & (summary["control"] == "none")]
    realised = realised[[*PAIR, "gain"]]
    full = evidence["repeat"] == -1
    parts = []
    for name, scored in judged(evidence, criterion):
        means = scored[~full].groupby(PAIR, sort=False)["score"].mean()
        of_cohort = scored[full].set_index(PAIR)[["score", "decision"]]
        score = means.reindex(of_cohort.index).fillna(of_cohort["score"])
        table = of_cohort.assign(score=score).reset_index()
        about = {"cohort": cohort, "target": target.name, "metric": target.task.primary, "criterion": name}
        parts.append(table.merge(realised, on=PAIR, how="inner").assign(**about))
    if not parts:
        return pd.DataFrame(columns=list(keys.CRITERIA_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(keys.CRITERIA_COLUMNS)]


def scorecard(criteria: pd.DataFrame, advised: pd.DataFrame, *, pooled: bool = False) -> pd.DataFrame:
    """How well each criterion foretold the realised gains.

    - `spearman`: of the score with the mean gain; NaN for a constant score. Over the pairs that have a score.
    - `sign_accuracy`: share of right decisions among the decided: `distil` is right if the mean gain is positive,
      `do_not_distil` if it is not. `abstention`: share of undecided pairs.
    - `advised_gain`: of following the criterion, mean over students; NaN where that of one was not measured.

    Parameters
    ----------
    criteria
        Of `criteria_table`, of one cohort and target or of several, put together. Pairs without a measured gain are not
        counted.
    advised
        Of `advised.advised_gains`, of the same cohorts and targets.
    pooled
        Over all cohorts and targets with the same metric (named "all") instead of one row for each.

    Returns
    -------
    DataFrame
        `keys.SCORECARD_COLUMNS`, one row per criterion.
    """
    measured = criteria[np.isfinite(criteria["gain"].to_numpy(dtype=np.float64))]
    by = ["metric", "criterion"] if pooled else ["cohort", "target", "metric", "criterion"]
    followed = advised.groupby(by)["advised_gain"].agg(lambda gain: gain.mean(skipna=False))
    rows = []
    for key, part in measured.groupby(by, sort=False):
        gain = part["gain"].to_numpy(dtype=np.float64)
        score = part["score"].to_numpy(dtype=np.float64)
        decision = part["decision"].to_numpy(dtype=str)
        scored, decided = np.isfinite(score), decision != keys.UNDECIDED
        right = (decision == keys.DISTIL) == (gain > 0)
        rows.append(
            (
                *(("all", "all", *key) if pooled else key),
                len(part),
                _rank_correlation(score[scored], gain[scored]),
                float(right[decided].mean()) if decided.any() else float("nan"),
                float(1 - decided.mean()),
                float(followed.get(key, np.nan)),
            )
        )
    return pd.DataFrame(rows, columns=list(keys.SCORECARD_COLUMNS))


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
