"""The registry of criteria. To add one is to add a file and a line here. Nothing heavy is imported."""

from cch_omics.verdict.criteria.accuracy_difference import ACCURACY_DIFFERENCE
from cch_omics.verdict.criteria.base import Criterion
from cch_omics.verdict.criteria.cch import CCH
from cch_omics.verdict.criteria.cch_calibrated import CCH_CALIBRATED
from cch_omics.verdict.criteria.constant import ALWAYS, NEVER
from cch_omics.verdict.criteria.gap_output import GAP_OUTPUT
from cch_omics.verdict.criteria.margin import MARGIN
from cch_omics.verdict.criteria.pilot import PILOT

CRITERIA: dict[str, Criterion] = {
    criterion.name: criterion
    for criterion in (PILOT, CCH, CCH_CALIBRATED, GAP_OUTPUT, MARGIN, ACCURACY_DIFFERENCE, ALWAYS, NEVER)
}

__all__ = ["CRITERIA", "Criterion"]
