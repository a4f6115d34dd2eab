"""Parametric simulations of a cohort: the only check that sees the bias of an estimator at the cohort's size.

A model of two representations and the label is fitted to the cohort. From it cohorts are drawn that have as many
samples and labels as the real one, and whose mutual information is known. They show what the estimators say where the
truth is zero.
"""
