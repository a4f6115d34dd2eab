"""Students: what they are taught, what they must not see, and that batches change nothing."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from cohorts import make_cohort, relabelled, scrambled
from outputs import nothing_to_choose, screening

from cch_omics.cohort import Cohort
from cch_omics.config import DistillationConfig, EncoderConfig, SplitsConfig
from cch_omics.models import distil as distil_module
from cch_omics.models import fit as fit_module
from cch_omics.models.distil import distil, models_of
from cch_omics.models.encode import encode
from cch_omics.models.ensemble import fit_ensembles
from cch_omics.models.out_of_fold import NO_MODELS, Encoding, Model, OutOfFold
from cch_omics.models.training_sets import Teaching, TrainingSets
from cch_omics.splits import Splits, make_splits

CPU = torch.device("cpu")
ENCODER = EncoderConfig(units=4, components=8, max_epochs=20)
# One look at the held-out loss: there is nothing to choose, and no fold has a share in the epochs of another.
GIVEN = ENCODER.model_copy(update={"max_epochs": 5})
STUDENT = "cnv"
# A view of several modalities with the student's own, one with few samples, and one with all.
TEACHERS = ["cnv+rna", "mutation", "rna"]
TAUGHT = [Model("soft_targets", teacher) for teacher in TEACHERS]


@pytest.fixture(scope="module", autouse=True)
def screened() -> Iterator[None]:
    with screening():
        yield


@dataclasses.dataclass
class Made:
    cohort: Cohort
    splits: Splits
    encodings: dict[str, Encoding]
    students: OutOfFold

    def distil(
        self, teachers: Sequence[str] = TEACHERS, encodings: dict[str, Encoding] | None = None, **options: Any
    ) -> OutOfFold:
        given = {"cohort": self.cohort, "splits": self.splits, "settings": DistillationConfig(), "encoder": ENCODER}
        given |= {"encodings": self.encodings | (encodings or {}), "seed": 0, "device": CPU}
        return distil(student=STUDENT, teachers=teachers, **(given | options))

    def again(self, cohort: Cohort, encoder: EncoderConfig = ENCODER, splits: Splits | None = None) -> OutOfFold:
        """Encode and distil another cohort."""
        encodings = encode_all(cohort, splits or self.splits, encoder)
        return self.distil(encodings=encodings, cohort=cohort, encoder=encoder, splits=splits or self.splits)


def encode_all(cohort: Cohort, splits: Splits, encoder: EncoderConfig = ENCODER) -> dict[str, Encoding]:
    return {view: encode(cohort, splits, view, encoder, seed=0, device=CPU) for view in (STUDENT, *TEACHERS)}


def make(task: str) -> Made:
    cohort = make_cohort(n=72, task=task, teachers=tuple(TEACHERS))
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=2, inner_folds=3), seed=0)
    made = Made(cohort, splits, encode_all(cohort, splits), NO_MODELS)
    made.students = made.distil()
    return made


@pytest.fixture(scope="module", params=["classification", "regression", "survival"])
def made(request: pytest.FixtureRequest) -> Made:
    return make(request.param)


def few_labels(splits: Splits) -> Splits:
    return dataclasses.replace(splits, labelled=splits.labelled & (np.arange(72) % 3 == 0))


def assert_close(one: OutOfFold, other: OutOfFold, models: Sequence[Model]) -> None:
    """To rounding of float32; a little more for intercepts, see `test_encode.assert_close`."""
    for model in models:
        tolerance = 0.01 * np.nanstd(other.of(model))
        np.testing.assert_allclose(one.of(model), other.of(model), atol=tolerance, err_msg=str(model))
        i, j = one.models.index(model), other.models.index(model)
        np.testing.assert_array_equal(one.epochs[i], other.epochs[j])
        np.testing.assert_allclose(one.networks[i].weight, other.networks[j].weight, atol=1e-5)


def test_students_of_all_teachers_and_their_controls(made: Made) -> None:
    assert made.students.models == (
        Model("alone"),
        *TAUGHT,
        Model("soft_targets", STUDENT, "self"),
        *(Model("soft_targets", teacher, "shuffled") for teacher in TEACHERS),
    )
    assert made.students.taught == TAUGHT
    fewer = models_of("rna", ["cnv"], shuffled_controls=False)
    assert fewer == (Model("alone"), Model("soft_targets", "cnv"), Model("soft_targets", "rna", "self"))
    profiled = made.cohort.profiled(STUDENT)
    assert np.isfinite(made.students.outputs[:, :, profiled]).all()
    assert np.isnan(made.students.outputs[:, :, ~profiled]).all()
    assert len(made.students.networks) == len(made.students.models)


def test_without_teachers_there_is_the_student_alone_which_is_the_encoder(made: Made) -> None:
    alone, own = made.distil([]), made.encodings[STUDENT]
    assert alone.models == (Model("alone"),)
    for students in (alone, made.students):
        np.testing.assert_array_equal(students.alone, own.outputs)
        np.testing.assert_array_equal(students.epochs[0], own.epochs)
        assert students.networks[0] is own.network


def test_test_samples_change_nothing_on_the_training_side(made: Made) -> None:
    for s in range(made.splits.full):
        train = made.splits.train[s]
        after = made.again(scrambled(made.cohort, ~train))
        np.testing.assert_array_equal(made.students.outputs[:, s, train], after.outputs[:, s, train])
        np.testing.assert_array_equal(made.students.epochs[:, s], after.epochs[:, s])
        # The check can fail: what is predicted for the changed samples does change.
        changed = made.students.outputs[:, s, ~train] != after.outputs[:, s, ~train]
        assert changed.any((1, 2)).all()


def test_labels_of_an_inner_fold_do_not_reach_the_students_without_it(made: Made) -> None:
    """Not by way of a teacher that was trained on them either, also where that takes the student's own omics."""
    s, fold = 0, 1
    members = made.splits.inner[s] == fold
    with nothing_to_choose():
        before = made.again(made.cohort, GIVEN).outputs[:, s]
        after = made.again(relabelled(made.cohort, members), GIVEN).outputs[:, s]
    np.testing.assert_array_equal(before[:, members], after[:, members])
    others = made.splits.train[s] & ~members
    assert (before[:, others] != after[:, others]).any((1, 2)).all()


def test_labels_beyond_the_budget_are_not_used(made: Made) -> None:
    few = few_labels(made.splits)
    hidden = few.train[0] & ~few.labelled[0]
    before = made.again(made.cohort, splits=few)
    after = made.again(scrambled(made.cohort, hidden, values=False), splits=few)
    np.testing.assert_array_equal(before.outputs[:, 0], after.outputs[:, 0])


def teachings(made: Made, **options: Any) -> tuple[list[TrainingSets], list[Teaching]]:
    """What the students of each split were taught."""
    sets, given = [], []

    def fit(batch: Any, settings: Any, by: Any, **others: Any) -> Any:
        sets.extend(batch)
        given.extend(by)
        return fit_ensembles(batch, settings, by, **others)

    with mock.patch.object(distil_module, "fit_ensembles", fit):
        made.distil(**options)
    return sets, given


@pytest.mark.parametrize("unlabelled", [True, False])
def test_soft_targets_are_those_of_the_encoders_that_may(made: Made, unlabelled: bool) -> None:
    few = few_labels(made.splits)
    encodings = encode_all(made.cohort, few)
    settings = DistillationConfig(unlabelled=unlabelled)
    sets, given = teachings(made, encodings=encodings, splits=few, settings=settings)
    students, moved = models_of(STUDENT, TEACHERS)[1:], list[bool]()
    for s, (of_split, teaching) in enumerate(zip(sets, given, strict=True)):
        rows = of_split.rows
        for m, model in enumerate(students):
            # Samples that have all modalities of the view: nobody else is taught by it.
            taught = few.train[s, rows] & made.cohort.profiled(model.teacher)[rows]
            if not unlabelled:
                taught &= few.labelled[s, rows]
            np.testing.assert_array_equal(teaching.samples[m], taught)
            said = encodings[model.teacher]
            for g in range(4):
                learnt, judged = taught & of_split.train[g], taught & of_split.predicted[g]
                if model.control == "shuffled":
                    for members, outputs in ((learnt, said.soft_targets[s, g, rows]), (judged, said.outputs[s, rows])):
                        found = teaching.outputs[m, g, members]
                        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(outputs[members], axis=0))
                        # Whole rows were moved.
                        assert {tuple(row) for row in found} == {tuple(row) for row in outputs[members]}
                        moved += (found != outputs[members]).any(1).tolist()
                    continue
                np.testing.assert_array_equal(teaching.outputs[m, g, learnt], said.soft_targets[s, g, rows][learnt])
                np.testing.assert_array_equal(teaching.outputs[m, g, judged], said.outputs[s, rows][judged])
    # One of a handful of labelled samples stays where it is now and then.
    assert np.mean(moved) > (0.8 if unlabelled else 0.7)


def test_unlabelled_samples_are_taught(made: Made) -> None:
    """Without them a student does not see their features, with them it does."""
    few = few_labels(made.splits)
    s = made.splits.full
    encodings = encode_all(made.cohort, few)
    unlabelled = few.train[s] & ~few.labelled[s]
    said, profiled = encodings["rna"].soft_targets, made.cohort.profiled(STUDENT)
    changed = dataclasses.replace(encodings["rna"], soft_targets=np.where(unlabelled[:, None], 9 - 3 * said, said))
    for used in (True, False):
        options = {"splits": few, "settings": DistillationConfig(unlabelled=used)}
        before = made.distil(["rna"], encodings, **options)
        after = made.distil(["rna"], encodings | {"rna": changed}, **options)
        differs = (before.outputs[1, s, profiled] != after.outputs[1, s, profiled]).any()
        assert differs == used


def test_soft_targets_of_hardly_any_weight_leave_the_student_alone(made: Made) -> None:
    """Also where it is alone with a third of the samples and taught with all: masks and seeds are the same."""
    few = few_labels(made.splits)
    # Soft targets of any weight choose features.
    with screening(1000):
        encodings = encode_all(made.cohort, few)
        students = made.distil(encodings=encodings, splits=few, settings=DistillationConfig(weight=1e-12))
    for m, network in enumerate(students.networks):
        np.testing.assert_array_equal(students.epochs[m], students.epochs[0])
        tolerance = 0.05 * np.nanstd(students.alone)
        np.testing.assert_allclose(students.outputs[m], students.alone, atol=tolerance)
        np.testing.assert_allclose(network.weight, students.networks[0].weight, atol=5e-4)
    assert (made.students.outputs[1] != made.students.alone).any()


def test_soft_targets_of_all_the_weight_leave_labels_nothing_to_say() -> None:
    made = make("classification")
    settings = DistillationConfig(weight=1.0)
    everyone = np.ones(72, dtype=bool)
    # Labels say which members are clearly worse, and are the unit of the linear ones.
    with nothing_to_choose():
        before = made.distil(settings=settings)
        after = made.distil(settings=settings, cohort=scrambled(made.cohort, everyone, values=False))
    for one, other in zip(before.networks[1:], after.networks[1:], strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.head_weight, other.head_weight)


def test_students_stop_by_what_their_teacher_says_of_held_out_samples(made: Made) -> None:
    """Of inner folds, by encoders without them; that changes nothing else, and of test samples nothing is asked."""
    said = made.encodings["rna"].outputs
    # A teacher that says of held-out samples the opposite.
    opposite = np.nanmean(said, axis=1, keepdims=True) * 2 - said

    def students(outputs: np.ndarray, encoder: EncoderConfig = ENCODER) -> OutOfFold:
        changed = {"rna": dataclasses.replace(made.encodings["rna"], outputs=outputs)}
        return made.distil(encodings=changed, encoder=encoder, settings=DistillationConfig(weight=0.9))

    before, train = students(said), made.splits.train[..., None]
    after = students(np.where(train, opposite, said))
    of_rna = np.array([model.teacher == "rna" for model in before.models])
    assert (before.epochs[of_rna] != after.epochs[of_rna]).any()
    np.testing.assert_array_equal(before.outputs[~of_rna], after.outputs[~of_rna])
    np.testing.assert_array_equal(before.outputs, students(np.where(train, said, opposite)).outputs)
    with nothing_to_choose():
        one, other = (students(outputs, GIVEN).outputs for outputs in (said, opposite))
    np.testing.assert_array_equal(one, other)


def test_a_temperature_softens_classes_and_no_numbers(made: Made) -> None:
    hot = made.distil(settings=DistillationConfig(temperature=3.0))
    same = (hot.of(TAUGHT[0]) == made.students.of(TAUGHT[0]))[:, made.cohort.profiled(STUDENT)].all()
    assert same == (made.cohort.target.task.name == "regression")


def test_a_student_is_the_same_whichever_other_teachers_there_are(made: Made) -> None:
    """Teachers of fewer samples among them."""
    for teacher in TEACHERS:
        controls = [Model("soft_targets", STUDENT, "self"), Model("soft_targets", teacher, "shuffled")]
        alone = made.distil([teacher])
        assert alone.models[1:] == (Model("soft_targets", teacher), *controls)
        assert_close(alone, made.students, alone.models)


@pytest.mark.parametrize("at_once", [1, 2])
def test_splits_in_one_batch_are_those_one_by_one(made: Made, at_once: int) -> None:
    with mock.patch.object(distil_module, "splits_at_once", lambda *_: at_once):
        assert_close(made.distil(), made.students, made.students.models)


@pytest.mark.parametrize(("most", "models"), [(30, {7}), (20, {3, 4}), (4, {1})])
def test_out_of_memory_halves_the_batch_and_changes_nothing(
    made: Made, caplog: pytest.LogCaptureFixture, most: int, models: set[int]
) -> None:
    """A GPU that holds so many networks, where 7 on 3 splits of 4 training sets are asked for."""
    sizes = []

    def train(networks: Any, *arguments: Any, real: Any = fit_module.train, **options: Any) -> Any:
        n_groups, n_models = networks.bias.shape[:2]
        if n_groups * n_models > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        sizes.append((n_groups, n_models))
        return real(networks, *arguments, **options)

    with (
        mock.patch.object(distil_module, "splits_at_once", lambda *_: 3),
        mock.patch.object(fit_module, "train", train),
        caplog.at_level(logging.WARNING),
    ):
        found = made.distil()
    assert {of_batch for _, of_batch in sizes} == models
    assert "out of memory with 7 networks on the training sets of 3 splits" in caplog.text
    assert_close(found, made.students, made.students.models)


def test_students_take_the_inputs_that_encoding_kept(made: Made) -> None:
    """The same bits as from raw features, and it is these that are used."""
    own = made.encodings[STUDENT]
    assert own.inputs is not None
    plain = made.distil(encodings={STUDENT: dataclasses.replace(own, inputs=None)})
    np.testing.assert_array_equal(plain.outputs, made.students.outputs)
    doubled = made.distil(encodings={STUDENT: dataclasses.replace(own, inputs=2 * own.inputs)})
    assert (doubled.outputs[1] != made.students.outputs[1]).any()


def test_deployed_networks_on_raw_features_are_those_that_predicted(made: Made) -> None:
    """Shown on the test samples of an outer split that stands last, where the full cohort is otherwise."""
    fields = dataclasses.fields(Splits)
    one = Splits(**{field.name: getattr(made.splits, field.name)[:1] for field in fields})
    students, data = made.again(made.cohort, splits=one), made.cohort.modalities[STUDENT]
    tested = one.test[0, data.rows]
    for outputs, network in zip(students.outputs[:, 0, data.rows[tested]], students.networks, strict=True):
        np.testing.assert_allclose(network.outputs(data.values[tested]), outputs, atol=1e-4)


def test_students_are_in_the_unit_of_a_number() -> None:
    made = make("regression")
    moved = dataclasses.replace(made.cohort.target, values=200 * made.cohort.target.values - 3000)
    after = made.again(dataclasses.replace(made.cohort, target=moved))
    np.testing.assert_allclose(after.outputs, 200 * made.students.outputs - 3000, atol=2.0)


def test_the_same_seed_gives_the_same_bits_in_any_number_of_processes(made: Made) -> None:
    np.testing.assert_array_equal(made.distil(threads=3).outputs, made.students.outputs)
    assert (made.distil(seed=1).outputs[1, 0] != made.students.outputs[1, 0]).any()
