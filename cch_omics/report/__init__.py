"""One self-contained HTML page per cohort and target, and one for all of them."""

from cch_omics.report.multiqc import write_multiqc
from cch_omics.report.page import write_report
from cch_omics.report.pooled import write_pooled_report

__all__ = ["write_multiqc", "write_pooled_report", "write_report"]
