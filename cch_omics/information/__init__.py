"""Mutual information, in nats, from a few hundred samples."""

from cch_omics.information.class_mixture import class_mixture_gap
from cch_omics.information.classwise import classwise_information
from cch_omics.information.estimators import ESTIMATORS, Estimator
from cch_omics.information.gap_estimators import GAP_ESTIMATORS, GapEstimator
from cch_omics.information.result import Estimate, Estimates
from cch_omics.information.single import cross_entropy_bound, mutual_information

__all__ = [
    "ESTIMATORS",
    "GAP_ESTIMATORS",
    "Estimate",
    "Estimates",
    "Estimator",
    "GapEstimator",
    "class_mixture_gap",
    "classwise_information",
    "cross_entropy_bound",
    "mutual_information",
]
