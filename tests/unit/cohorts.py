"""Small cohorts for tests, made by code."""

import dataclasses

import numpy as np

from cch_omics.cohort import Cohort, Modality, Target
from cch_omics.tasks.classification import Classification
from cch_omics.tasks.survival import Survival


def make_cohort(
    *,
    n: int = 90,
    seed: int = 0,
    task: str = "classification",
    n_classes: int = 3,
    signal: float = 1.5,
    label_budget: float = 1.0,
    permuted: bool = False,
    teachers: tuple[str, ...] = (),
) -> Cohort:
    """Three modalities of one latent: `rna` sees it well, `cnv` badly, `mutation` (0/1) hardly; some samples lack some.

    Parameters
    ----------
    task
        `classification`: classes a, b, ... that the latent tells apart; `regression`: a number that is linear in it;
        `survival`: a time whose hazard is log-linear in it, half of the patients censored.
    permuted
        Whether labels are drawn without regard to the features.
    teachers
        Views that may teach; by default every modality.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(n_classes, size=n)
    centres = signal * random.standard_normal((n_classes, 4))
    latent = centres[labels] + random.standard_normal((n, 4))
    noise = {"rna": 0.5, "cnv": 3.0, "mutation": 4.0}
    width = {"rna": 30, "cnv": 20, "mutation": 15}
    modalities = {}
    for name in sorted(noise):
        rows = np.arange(n) if name == "rna" else np.sort(random.choice(n, size=int(0.8 * n), replace=False))
        values = latent @ random.standard_normal((4, width[name]))
        values = values + noise[name] * random.standard_normal(values.shape)
        if name == "mutation":
            values = (values > 1).astype(float)
        values = values[rows].astype(np.float32)
        if name == "cnv":
            values[random.random(values.shape) < 0.02] = np.nan
        features = np.array([f"{name}{j}" for j in range(width[name])])
        modalities[name] = Modality(values=values, features=features, rows=rows)
    known = labels.astype(float)
    if permuted:
        known = random.permutation(known)
    known[random.random(n) < 0.1] = np.nan
    targets = {
        "classification": lambda: _classes(known, n_classes),
        "regression": lambda: _number(known, latent, permuted),
        "survival": lambda: _time(known, latent, permuted),
    }
    samples = np.array([f"P{i:03d}" for i in range(n)])
    return Cohort(
        name="made",
        samples=samples,
        groups=samples,
        sites=np.full(n, ""),
        target=targets[task](),
        modalities=modalities,
        teachers=teachers or tuple(modalities),
        label_budget=label_budget,
    )


def _classes(labels: np.ndarray, n_classes: int) -> Target:
    return Target("subtype", Classification(tuple("abcdefgh"[:n_classes])), labels)


def _number(labels: np.ndarray, latent: np.ndarray, permuted: bool) -> Target:
    """The same samples lack it as lack the class."""
    from cch_omics.tasks.regression import Regression

    random = np.random.default_rng(1)
    numbers = 5 + latent @ np.array([1.0, -0.5, 0.5, 0.25]) + 0.5 * random.standard_normal(len(latent))
    if permuted:
        numbers = random.permutation(numbers)
    numbers = np.where(np.isfinite(labels), numbers, np.nan)
    return Target("score", Regression.of(numbers), numbers)


def _time(labels: np.ndarray, latent: np.ndarray, permuted: bool) -> Target:
    """The same samples lack it as lack the class."""
    random = np.random.default_rng(1)
    hazard = 0.05 * np.exp(latent @ np.array([1.0, -0.5, 0.5, 0.25]))
    death, last = random.exponential(1 / hazard), random.exponential(20, size=len(latent))
    values = np.column_stack([np.minimum(death, last), death <= last]).astype(float)
    if permuted:
        values = random.permutation(values)
    values[~np.isfinite(labels)] = np.nan
    return Target("os", Survival.of(values), values)


def relabelled(cohort: Cohort, members: np.ndarray) -> Cohort:
    """The cohort with other labels of the members (n,) of an inner fold.

    Times and events go round among those that have them: where intervals end is fitted to all training samples of the
    outer split, and stays.
    """
    target = cohort.target
    if target.values.ndim == 1:
        return scrambled(cohort, members, values=False)
    labels, known = target.values.copy(), np.flatnonzero(members & target.observed)
    labels[known] = labels[np.roll(known, 1)]
    return dataclasses.replace(cohort, target=dataclasses.replace(target, values=labels))


def scrambled(cohort: Cohort, members: np.ndarray, *, values: bool = True) -> Cohort:
    """The cohort with every label, and every value of the omics if asked, of the members (n,) changed.

    With other times of the members the intervals of the whole cohort are others as well.
    """
    target = cohort.target
    if isinstance(target.task, Survival):
        halved = (*(edge / 2 for edge in target.task.edges[:-1]), target.task.horizon)
        target = dataclasses.replace(target, task=dataclasses.replace(target.task, edges=halved))
        other = np.column_stack([40 - 3 * target.values[:, 0] % 11, 1 - target.values[:, 1]])
        labels = np.where(members[:, None], other, target.values)
    elif isinstance(target.task, Classification):
        labels = np.where(members, (target.values + 1) % len(target.task.classes), target.values)
    else:
        labels = np.where(members, 40 - 3 * target.values, target.values)
    modalities = dict(cohort.modalities)
    for name, modality in cohort.modalities.items() if values else ():
        changed = members[modality.rows]
        found = modality.values.copy()
        found[changed] = 7 - 3 * np.nan_to_num(found[changed][::-1])
        modalities[name] = dataclasses.replace(modality, values=found)
    return dataclasses.replace(cohort, target=dataclasses.replace(target, values=labels), modalities=modalities)
