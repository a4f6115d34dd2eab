"""The experiments of Xie, Xu and Sanguinetti (2025, arXiv 2510.13182), by encoders and estimators of this package."""
