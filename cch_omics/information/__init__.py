"""Mutual information, in nats, from a few hundred samples."""

from cch_omics.information.estimators import ESTIMATORS, Estimator
from cch_omics.information.result import Estimate, Estimates
from cch_omics.information.single import cross_entropy_bound, mutual_information

__all__ = ["ESTIMATORS", "Estimate", "Estimates", "Estimator", "cross_entropy_bound", "mutual_information"]
