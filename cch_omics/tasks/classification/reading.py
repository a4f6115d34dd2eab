"""Reading classes from a column of labels, and what an audit asks of them."""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cch_omics.errors import InputError, near, repeated, some
from cch_omics.tasks.base import Association, Floats, LabelColumn, SiteDependence
from cch_omics.tasks.checks import PERMUTATIONS, best_feature, beyond_chance, chunks, halves
from cch_omics.tasks.looks import difference, look_of
from cch_omics.tasks.missing import says_doubtful
from cch_omics.tasks.ranks import rankdata
from cch_omics.tasks.reading import is_number, looks_continuous

# A single feature that does better than this on held-out patients is suspicious.
SUSPICIOUS_AUROC = 0.95
FEWEST_PER_CLASS = 5
# A number among classes so many times farther from the others than these from each other is a code: 9 beside 0 and 1.
_APART = 5
# More classes than this that are all numbers are taken for a measurement.
_MOST_NUMBERS = 30


def read_classes(column: LabelColumn) -> tuple[tuple[str, ...], Floats, dict[str, int]]:
    """Read a column as classes: those that the sheet lists, or all texts in alphabetical order.

    Returns
    -------
    tuple
        Classes, (n,) positions among them (NaN missing), and samples by text that is no class.

    Raises
    ------
    InputError
        If a listed class does not occur, if there are fewer than two classes, or so many that they are no classes, or
        if classes that are not listed look alike.
    """
    texts = [_class_text(text) for text in column.texts]
    counts = Counter(text for text in texts if text)
    listed = f"{column.where}, `classes`"
    wanted = tuple(_class_text(name) for name in column.classes)
    if double := repeated(wanted):
        raise InputError(listed, f"{some(double)} more than once", "each class once", "Remove it.")
    for name in wanted:
        if name not in counts:
            raise InputError(
                listed,
                f"no sample of class {name!r}",
                f"values that occur: {some(sorted(counts), 20)}",
                _twin(name, counts) or near(name, counts),
            )
    classes = wanted or tuple(sorted(counts))
    if not wanted:
        _refuse_alike(column.where, counts)
    if len(classes) < 2:
        missing = f" (treated as missing: {_counted(column.missing)})" if column.missing else ""
        raise InputError(
            column.where,
            (f"one class only ({classes[0]!r})" if classes else "no label of any sample in the tables") + missing,
            "at least two classes among the samples",
            "Choose another target, correct the column, or list its classes in `classes`.",
        )
    n_labels = sum(counts.values())
    numbers = looks_continuous(counts)
    too_many = n_labels < FEWEST_PER_CLASS * len(classes) or (numbers and len(classes) > _MOST_NUMBERS)
    if not wanted and too_many:
        raise InputError(
            column.where,
            f"{len(classes)} different {'numbers' if numbers else 'values'} among {n_labels} labels, such as "
            f"{some(classes, 3)}",
            "a few classes",
            "To predict the number itself, set `task` to `regression`."
            if numbers
            else "Choose a column of classes, or list them in `classes`.",
        )
    position = {name: float(index) for index, name in enumerate(classes)}
    values = np.array([position.get(text, np.nan) for text in texts])
    return classes, values, {name: n for name, n in sorted(counts.items()) if name not in position}


def reread_classes(column: LabelColumn, classes: tuple[str, ...]) -> tuple[Floats, dict[str, int], list[str]]:
    """Read a column of other patients as classes that are known already.

    Returns
    -------
    tuple
        (n,) positions among the classes (NaN missing), samples by text that is no class, and sentences on classes that
        nobody has.

    Raises
    ------
    InputError
        If no label is one of the classes, or one is spelled otherwise.
    """
    texts = [_class_text(text) for text in column.texts]
    counts = Counter(text for text in texts if text)
    spelled = {look_of(name).casefold(): name for name in classes}
    alike = {name: spelled[look_of(name).casefold()] for name in counts if look_of(name).casefold() in spelled}
    for name, meant in alike.items():
        if name != meant:
            raise InputError(
                column.where,
                f"{name!r}, which looks like the class {meant!r}",
                f"the student's own spelling of its classes: {some(classes, 20)}",
                "Write it as the student does, or otherwise if another class is meant.",
            )
    if not alike:
        raise InputError(
            column.where,
            f"no label that the student knows: {_counted(dict(counts.most_common(10))) or 'none at all'}",
            f"some of its classes: {some(classes, 20)}",
            "Write the labels as the student does, or name another target.",
        )
    position = {name: float(index) for index, name in enumerate(classes)}
    values = np.array([position.get(text, np.nan) for text in texts])
    absent = [name for name in classes if name not in counts]
    said = [f"Nobody has {some(absent, 20)}: it counts in no mean over classes."] if absent else []
    return values, {name: n for name, n in sorted(counts.items()) if name not in position}, said


def remarks(classes: tuple[str, ...], target: str) -> list[str]:
    """Say which classes sound like missing values."""
    figures = sorted((name for name in classes if is_number(name)), key=float)
    odd = [name for name in classes if says_doubtful(name)]
    if len(figures) == 1 and len(classes) > 2:
        odd += figures
    if len(figures) > 2:
        low, *_, high = gaps = np.diff([float(name) for name in figures])
        odd += [figures[0]] if low >= _APART * gaps[1:].sum() else []
        odd += [figures[-1]] if high >= _APART * gaps[:-1].sum() else []
    if not odd:
        return []
    return [
        f"Classes of {target} that sound like missing values: {', '.join(map(repr, odd))}; "
        "list the real classes in `classes`."
    ]


def at_sites(classes: tuple[str, ...], target: str, labels: NDArray[np.int64], sites: NDArray[np.str_]) -> list[str]:
    """Say which classes are those of one site alone, of (n,) positions and sites of one sample per patient."""
    n_sites = len(np.unique(sites))
    found = {name: sites[labels == position] for position, name in enumerate(classes)}
    return [
        f"All {len(of)} patients with {target} {name!r} are at site {str(of[0])!r}, of {n_sites}."
        for name, of in found.items()
        if n_sites > 1 and len(of) >= FEWEST_PER_CLASS and (of == of[0]).all()
    ]


def single_feature(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.str_], classes: tuple[str, ...]
) -> Association | None:
    """The feature that tells one class best from the rest, by AUROC (`Task.single_feature`).

    Parameters
    ----------
    labels
        (n,) positions among the classes; -1 = not looked at.

    Returns
    -------
    Association or None
        Of the class where the held-out AUROC is highest; None when no class has enough samples.
    """
    known = np.flatnonzero(labels >= 0)
    half = halves(labels[known], groups[known])
    member = labels[known, None] == np.arange(len(classes))
    inside = np.array([member[half == side].sum(axis=0) for side in (0, 1)])
    outside = np.array([(half == side).sum() for side in (0, 1)])[:, None] - inside
    usable = np.flatnonzero(np.minimum(inside, outside).min(axis=0) >= FEWEST_PER_CLASS)
    if not len(usable):
        return None
    # AUROC beyond 0.5, (2, classes, p).
    areas = np.array([_areas(features, known[half == side], member[half == side][:, usable]) for side in (0, 1)]) - 0.5
    found = [best_feature(areas[:, position]) for position in range(len(usable))]
    best = max(range(len(found)), key=lambda position: found[position][1])
    feature, area = found[best][0], 0.5 + found[best][1]
    return Association(feature, classes[usable[best]], "AUROC", area, area > SUSPICIOUS_AUROC)


def site_dependence(
    labels: NDArray[np.int64], sites: NDArray[np.str_], *, permutations: int = PERMUTATIONS
) -> SiteDependence | None:
    """How well the site alone predicts the class, by balanced accuracy (`Task.site_dependence`).

    Each of five folds is predicted from the class frequencies of its site in the others (one pseudo-count, classes
    weighted equally); labels permuted over patients give chance.

    Parameters
    ----------
    labels
        (n,) classes from 0 of one sample per patient.
    """
    sizes = np.bincount(labels)
    if (sizes > 0).sum() < 2 or sizes[sizes > 0].min() < FEWEST_PER_CLASS:
        return None
    random = np.random.default_rng(0)
    codes = np.unique(sites, return_inverse=True)[1]
    return beyond_chance(
        "balanced accuracy", lambda drawn: _site_accuracy(drawn, codes, random), labels, random, permutations
    )


def _refuse_alike(where: str, counts: Mapping[str, int]) -> None:
    """Refuse classes that differ by case, spaces, dashes, Unicode form or invisible characters only."""
    groups: dict[str, list[str]] = {}
    for name in sorted(counts):
        groups.setdefault(look_of(name).casefold(), []).append(name)
    alike = [names for names in groups.values() if len(names) > 1]
    if not alike:
        return
    said = "; ".join(_counted({name: counts[name] for name in names}) for names in alike[:3])
    unlike = [(names[0], name) for names in alike for name in names[1:] if look_of(name) == look_of(names[0])]
    why = f" (the difference: {difference(*unlike[0])})" if unlike else ""
    raise InputError(
        where,
        f"classes that look alike: {said}{why}",
        "one way of writing each class",
        "Correct the column, or list those that are meant in `classes`.",
    )


def _twin(name: str, counts: Mapping[str, int]) -> str:
    """Advice about a class that looks the same as another."""
    twins = [other for other in counts if look_of(other) == look_of(name)]
    return f"{twins[0]!r} looks the same and differs: {difference(name, twins[0])}." if twins else ""


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} ({count})" for name, count in counts.items())


def _class_text(text: str) -> str:
    """Whole numbers without decimals: tables with gaps hold codes as 1.0."""
    text = text.strip()
    return text.partition(".")[0] if re.fullmatch(r"-?\d+\.0+", text) else text


def _areas(features: NDArray[np.float32], rows: NDArray[np.int64], member: NDArray[np.bool_]) -> Floats:
    """AUROC (C, p) of p features for the members (n, C) of each class among n rows (Mann-Whitney)."""
    inside = member.sum(axis=0)[:, None]
    areas = np.empty((member.shape[1], features.shape[1]))
    for columns, chunk in chunks(features, rows):
        ranks = member.T.astype(float) @ rankdata(chunk, axis=0)
        areas[:, columns] = (ranks - inside * (inside + 1) / 2) / (inside * (len(member) - inside))
    return areas


def _site_accuracy(labels: NDArray[np.int64], sites: NDArray[np.int64], random: np.random.Generator) -> float:
    n_classes = int(labels.max()) + 1
    order = np.lexsort((random.random(len(labels)), labels))
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % 5
    predicted = np.empty(len(labels), dtype=np.int64)
    for test in range(5):
        train = fold != test
        table = np.zeros((sites.max() + 1, n_classes))
        np.add.at(table, (sites[train], labels[train]), 1)
        size = table.sum(axis=0)
        # P(class | site) / P(class), shrunk towards 1 by one pseudo-count spread as the classes are.
        prior = size / size.sum()
        ratio = (table + prior) / np.maximum(prior, 1e-12)
        predicted[~train] = np.argmax(ratio, axis=1)[sites[~train]]
    hits = np.bincount(labels, predicted == labels, minlength=n_classes)
    sizes = np.bincount(labels, minlength=n_classes)
    return float(np.mean(hits[sizes > 0] / sizes[sizes > 0]))
