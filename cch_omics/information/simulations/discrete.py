"""The model of two representations and a class: that of linear discriminant analysis.

Given the class, the representations are jointly normal, with a mean for each class and one covariance,

    (a, b) | y  ~  N(mean_y, W).

In a simulated cohort the covariance of a with b within classes is multiplied by u, the class means of a by v and those
of b by w. It has the cohort's labels, the same ones missing. Its true mutual information is a mean of log-ratios of
the densities, which are known.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cch_omics.information.masked import centred
from cch_omics.information.simulations.base import Floats, Simulated, across, with_variance

# Draws behind a true value, over all classes. The mean over five folds is then known to about 0.02 nats.
DRAWS = 600
# Numbers held at once.
HELD = {"cpu": 2**22, "cuda": 2**28}


@dataclass(frozen=True)
class DiscreteModel:
    """Class-conditional normal model of B items.

    Attributes
    ----------
    prior
        (B, C) of the classes, by labelled samples.
    mean
        (B, C, p + q) around the mean of all samples; zero for a class without samples.
    covariance
        (B, p + q, p + q) within classes.
    first
        p, columns of a.
    label
        (B, n) classes of the samples, -1 where missing.
    draws
        Draws behind a true value.
    """

    prior: Tensor
    mean: Tensor
    covariance: Tensor
    first: int
    label: Tensor
    draws: int = DRAWS

    def noise(self, random: np.random.Generator, count: int, size: int) -> Floats:
        """Standard normal numbers, then one uniform number: the class of a sample without a label."""
        normals = random.normal(size=(count, size, self.mean.shape[-1]))
        return np.concatenate([normals, random.random((count, size, 1))], -1)

    def simulate(self, strengths: Floats, noise: Floats) -> Simulated:
        """As `base.Model`; a missing label is drawn from the prior, and is missing again."""
        device, (items, n), count = self.label.device, self.label.shape, len(strengths)

        def tensor(array: Floats) -> Tensor:
            return torch.as_tensor(array, dtype=torch.float64, device=device)

        p, n_classes, columns = self.first, self.prior.shape[1], self.mean.shape[-1]
        u, v, w = tensor(strengths).T
        leading = torch.arange(columns, device=device) < p
        means = self.mean[:, None] * torch.where(leading, v[:, None], w[:, None])[:, None]  # (B, R, C, d)
        root: Tensor = torch.linalg.cholesky(across(self.covariance, u, p))  # (B, R, d, d)

        drawn = (tensor(noise[..., -1:]) > self.prior.cumsum(-1)[:, None, None]).sum(-1).clamp(max=n_classes - 1)
        classes = torch.where(self.label[:, None] >= 0, self.label[:, None], drawn)  # (B, R, n)
        points = means.gather(2, classes[..., None].expand(-1, -1, -1, columns)) + tensor(noise[..., :-1]) @ root.mT
        points = points.view(items * count, n, columns)

        # The same points for all: with each class's mean, where densities are compared.
        z = tensor(np.random.default_rng(0).normal(size=(max(1, self.draws // n_classes), columns)))
        step = max(1, HELD[device.type] // (items * n_classes**2 * z.numel()))
        truth = torch.cat(
            [
                _truth(self.prior, means[:, start : start + step], root[:, start : start + step], z, p)
                for start in range(0, count, step)
            ],
            1,
        )
        return Simulated(points[..., :p], points[..., p:], self.label.repeat_interleave(count, 0), truth)


def fit(a: Tensor, b: Tensor, label: Tensor, valid: Tensor, n_classes: int) -> DiscreteModel:
    """Fit the model to B items.

    W = (scatter within classes + m * covariance of all samples) / (n - C + m), m = p + q + 1 pseudo-samples: with few
    labels, of which the scatter within classes is made, W tends to the covariance of all.

    Parameters
    ----------
    a, b
        (B, n, p) and (B, n, q), anything on padding.
    label
        (B, n) classes 0 .. C - 1; -1 where missing.
    valid
        (B, n) False on padding.
    """
    points, _ = centred(torch.cat([a, b], -1).double(), valid)
    known = valid & (label >= 0)
    member = torch.nn.functional.one_hot(label.clamp(min=0), n_classes).double() * known[..., None]
    size = member.sum(1)
    mean = member.mT @ points / size.clamp(min=1)[..., None]
    residual = (points - member @ mean) * known[..., None]
    everyone = points.mT @ points / valid.sum(-1).clamp(min=2)[:, None, None]
    freedom = (size.sum(-1) - (size > 0).sum(-1)).clamp(min=0)
    weight = points.shape[-1] + 1.0
    covariance = (residual.mT @ residual + weight * everyone) / (freedom + weight)[:, None, None]
    prior = size / size.sum(-1, keepdim=True).clamp(min=1)
    return DiscreteModel(prior, mean, with_variance(covariance), a.shape[-1], label)


def _truth(prior: Tensor, means: Tensor, root: Tensor, z: Tensor, p: int) -> Tensor:
    """(B, C), (B, R, C, d), (B, R, d, d) Cholesky factors and (N, d) -> (B, R, 3) I(A;B), I(A;Y), I(B;Y)."""
    log_prior = prior.log()[:, None, None, None]  # (B, 1, 1, 1, C)
    of_b = (root @ root.mT)[..., p:, p:]
    root_b: Tensor = torch.linalg.cholesky(of_b)
    noise_b = torch.linalg.solve_triangular(root_b, root[..., p:, :] @ z.T, upper=False).mT  # (B, R, N, q)

    def apart(factor: Tensor, columns: slice) -> Tensor:
        """(B, R, C, C, k): mean of the sample's class minus mean of another, in units of the noise."""
        difference = (means[:, :, :, None] - means[:, :, None])[..., columns]
        white: Tensor = torch.linalg.solve_triangular(factor[:, :, None], difference.mT, upper=False).mT
        return white

    def log_densities(noise: Tensor, shift: Tensor) -> Tensor:
        """(.., N, k), (B, R, C, C, k) -> (B, R, C, N, C) log-densities under every class, up to a common constant."""
        # |noise + shift|^2 - |noise|^2: the constant cancels in every ratio below but I(A;B)'s, where it is added.
        cross = noise[:, :, None] @ shift.mT
        return -cross - 0.5 * shift.square().sum(-1)[:, :, :, None]

    everyone = z.expand(*root.shape[:2], -1, -1)
    joint = log_densities(everyone, apart(root, slice(None)))
    # The leading block of a Cholesky factor is the factor of the leading block.
    of_a_noise = everyone[..., :p]
    a = log_densities(of_a_noise, apart(root[..., :p, :p], slice(0, p)))
    b = log_densities(noise_b, apart(root_b, slice(p, None)))

    def mean(values: Tensor) -> Tensor:
        """(B, R, C, N) -> (B, R) over the classes and draws."""
        return (values.mean(-1) * prior[:, None]).sum(-1)

    mixed_a, mixed_b, mixed = (torch.logsumexp(log + log_prior, -1) for log in (a, b, joint))
    own_a, own_b = (log.diagonal(dim1=-3, dim2=-1).mT for log in (a, b))

    def volume(factor: Tensor) -> Tensor:
        return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    # The noise's own terms, in expectation: -|z|^2 / 2 has mean -k / 2, of the joint as of a and b together.
    within = volume(root[..., :p, :p]) + volume(root_b) - volume(root)
    between = mean(mixed - mixed_a - mixed_b) + within
    return torch.stack([between, mean(own_a - mixed_a), mean(own_b - mixed_b)], -1)
