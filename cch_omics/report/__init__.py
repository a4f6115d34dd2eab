"""One self-contained HTML page per cohort and target, and one for all of them."""

from cch_omics.report.page import write_pooled_report, write_report

__all__ = ["write_pooled_report", "write_report"]
