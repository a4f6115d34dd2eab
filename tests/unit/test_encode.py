"""Encoders of one view: what they may see, what they predict, and that batches change nothing."""

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from cohorts import make_cohort, relabelled, scrambled
from outputs import nothing_to_choose, screening
from scipy.stats import spearmanr

from cch_omics.cohort import Cohort
from cch_omics.config import EncoderConfig, SplitsConfig
from cch_omics.models import encode as encode_module
from cch_omics.models import fit as fit_module
from cch_omics.models.encode import encode
from cch_omics.models.ensemble import fit_ensembles
from cch_omics.models.fit import over_splits, splits_at_once
from cch_omics.models.out_of_fold import Encoding
from cch_omics.models.training_sets import training_sets
from cch_omics.splits import Splits, make_splits

CPU = torch.device("cpu")
# More components than small training sets have: inputs are padded in a batch.
ENCODER = EncoderConfig(units=4, components=25, max_epochs=20)
# One look at the held-out loss: there is nothing to choose, and no fold has a share in the epochs of another.
GIVEN = ENCODER.model_copy(update={"max_epochs": 5})
VIEWS = ("rna", "cnv", "cnv+rna")


@pytest.fixture(scope="module", autouse=True)
def screened() -> Iterator[None]:
    with screening():
        yield


@dataclasses.dataclass
class Made:
    cohort: Cohort
    splits: Splits
    encodings: dict[str, Encoding]

    def encode(self, view: str, cohort: Cohort | None = None, **options: Any) -> Encoding:
        options = {"settings": ENCODER, "splits": self.splits, "seed": 0, "device": CPU} | options
        return encode(cohort or self.cohort, view=view, **options)


@pytest.fixture(scope="module", params=["classification", "regression", "survival"])
def made(request: pytest.FixtureRequest) -> Made:
    cohort = make_cohort(n=72, task=request.param, teachers=("rna", "cnv", "mutation", "cnv+rna"))
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=3, inner_folds=3), seed=0)
    made = Made(cohort, splits, {})
    made.encodings |= {view: made.encode(view) for view in VIEWS}
    return made


def few_labels(splits: Splits) -> Splits:
    return dataclasses.replace(splits, labelled=splits.labelled & (np.arange(72) % 3 == 0))


def assert_same(one: Encoding, other: Encoding, places: Any = slice(None)) -> None:
    np.testing.assert_array_equal(one.representation[places], other.representation[places])
    np.testing.assert_array_equal(one.outputs[places], other.outputs[places])


def assert_close(one: Encoding, other: Encoding) -> None:
    """To rounding of float32 in another order; NaN at the same places."""
    np.testing.assert_allclose(one.representation, other.representation, atol=1e-5)
    for name in ("outputs", "soft_targets"):
        tolerance = 0.001 * np.nanstd(getattr(other, name))
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=tolerance, err_msg=name)
    np.testing.assert_array_equal(one.epochs, other.epochs)


@pytest.mark.parametrize("view", VIEWS)
def test_test_samples_change_nothing_on_the_training_side(made: Made, view: str) -> None:
    for s in range(made.splits.full):
        before, train = made.encodings[view], made.splits.train[s]
        after = made.encode(view, scrambled(made.cohort, ~train))
        assert_same(before, after, (s, train))
        np.testing.assert_array_equal(before.soft_targets[s], after.soft_targets[s])
        assert before.epochs[s] == after.epochs[s]
        # The check can fail: what is predicted for the changed samples does change.
        assert (before.outputs[s, ~train] != after.outputs[s, ~train]).any()


@pytest.mark.parametrize("view", VIEWS)
def test_labels_of_an_inner_fold_do_not_reach_its_own_encoder_nor_what_teaches_students_without_it(
    made: Made, view: str
) -> None:
    s, fold = 0, 1
    members = made.splits.inner[s] == fold
    with nothing_to_choose():
        before = made.encode(view, settings=GIVEN)
        after = made.encode(view, relabelled(made.cohort, members), settings=GIVEN)
    assert_same(before, after, (s, members))
    others = made.splits.train[s] & ~members
    assert (before.outputs[s, others] != after.outputs[s, others]).any()
    np.testing.assert_array_equal(before.soft_targets[s, fold], after.soft_targets[s, fold])
    # Each sample with a label is taught without it.
    taught = members & made.splits.labelled[s]
    for g in (0, 2, 3):
        np.testing.assert_array_equal(before.soft_targets[s, g, taught], after.soft_targets[s, g, taught])
        assert (before.soft_targets[s, g, others] != after.soft_targets[s, g, others]).any()


def test_labels_beyond_the_budget_are_not_used(made: Made) -> None:
    few = few_labels(made.splits)
    hidden = few.train[0] & ~few.labelled[0]
    before = made.encode("rna", splits=few)
    after = made.encode("rna", scrambled(made.cohort, hidden, values=False), splits=few)
    assert_same(before, after, 0)
    assert (before.outputs[0] != made.encodings["rna"].outputs[0]).any()


def test_where_predictions_exist(made: Made) -> None:
    splits = made.splits
    for view, encoding in made.encodings.items():
        profiled = made.cohort.profiled(view)
        assert np.isfinite(encoding.outputs[:, profiled]).all()
        assert np.isnan(encoding.outputs[:, ~profiled]).all()
        held_out = splits.train & profiled
        assert np.isfinite(encoding.representation[held_out]).all()
        assert np.isnan(encoding.representation[~held_out]).all()
        for g in range(splits.n_inner + 1):
            its = held_out & (splits.inner != g)
            assert np.isfinite(encoding.soft_targets[:, g][its]).all()
            assert np.isnan(encoding.soft_targets[:, g][~its]).all()
        labelled = held_out & splits.labelled
        np.testing.assert_array_equal(encoding.soft_targets[:, -1][labelled], encoding.outputs[labelled])
        assert (encoding.network is None) == ("+" in view)


def test_a_sample_without_a_label_is_taught_by_all_encoders_that_may(made: Made) -> None:
    """By hand: with a label by the one that went without it, else by the set's and those without a fold more."""
    few, s = few_labels(made.splits), 0
    sets = training_sets(made.cohort, few, s, "cnv", ENCODER, seed=0, device=CPU, without_pairs=True)
    (ensemble,) = fit_ensembles([sets], ENCODER)
    outputs = ensemble.predicted[:, 0]
    found = made.encode("cnv", splits=few).soft_targets[s]
    # Which folds each encoder went without.
    without: list[set[int]] = [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, set()]
    for number, sample in enumerate(sets.rows):
        fold = int(few.inner[s, sample])
        for g, own in enumerate([{0}, {1}, {2}, set[int]()]):
            if fold < 0 or fold in own:
                assert np.isnan(found[g, sample]).all()
                continue
            may = [without.index(own | {fold})]
            if not few.labelled[s, sample]:
                may = [each for each, folds in enumerate(without) if own <= folds and len(folds - own) <= 1]
                assert len(may) == (3 if own else 4)
            np.testing.assert_allclose(found[g, sample], outputs[may, number].mean(0), atol=1e-5)


def test_encoders_learn(made: Made) -> None:
    target, tested = made.cohort.target, made.splits.test[0] & made.cohort.target.observed
    outputs, truth = made.encode("rna", settings=EncoderConfig()).outputs[0, tested], target.values[tested]
    if target.task.name == "classification":
        assert (outputs.argmax(1) == truth).mean() > 0.7
    elif target.task.name == "regression":
        assert spearmanr(outputs[:, 0], truth).statistic > 0.7
        assert ((outputs[:, 0] - truth) ** 2).mean() < 0.5 * truth.var()
    else:
        (c,) = target.task.evaluate(outputs[None], truth, np.zeros((1, 0)), truth)["uno_c"]
        assert c > 0.65


def test_outputs_are_in_the_unit_of_a_number() -> None:
    cohort = make_cohort(n=72, task="regression")
    splits = make_splits(cohort, SplitsConfig(repeats=1, folds=3, inner_folds=3), seed=0)
    moved = dataclasses.replace(cohort.target, values=200 * cohort.target.values - 3000)
    before = encode(cohort, splits, "cnv", ENCODER, seed=0, device=CPU)
    after = encode(dataclasses.replace(cohort, target=moved), splits, "cnv", ENCODER, seed=0, device=CPU)
    np.testing.assert_allclose(after.outputs, 200 * before.outputs - 3000, atol=0.2)
    np.testing.assert_allclose(after.soft_targets, 200 * before.soft_targets - 3000, atol=0.2)
    np.testing.assert_allclose(after.representation, before.representation, atol=1e-3)
    assert before.network is not None and after.network is not None
    values = cohort.modalities["cnv"].values
    np.testing.assert_allclose(after.network.outputs(values), 200 * before.network.outputs(values) - 3000, atol=0.2)


@pytest.mark.parametrize("view", ["rna", "cnv"])
def test_the_deployed_network_on_raw_features_is_the_one_that_predicted(made: Made, view: str) -> None:
    """Shown on the test samples of an outer split that stands last, where the full cohort is otherwise."""
    fields = dataclasses.fields(Splits)
    one = Splits(**{field.name: getattr(made.splits, field.name)[:1] for field in fields})
    encoding, data = made.encode(view, splits=one), made.cohort.modalities[view]
    tested = one.test[0, data.rows]
    assert encoding.network is not None
    np.testing.assert_allclose(
        encoding.network.outputs(data.values[tested]), encoding.outputs[0, data.rows[tested]], atol=1e-4
    )
    network = made.encodings[view].network
    n_outputs = made.cohort.target.task.n_outputs
    assert network is not None and network.skip_weight.shape == (data.values.shape[1], n_outputs)


def test_the_same_seed_gives_the_same_bits_in_any_number_of_processes(made: Made) -> None:
    assert_same(made.encode("rna", threads=3), made.encodings["rna"])
    assert (made.encode("rna", seed=1).outputs[0] != made.encodings["rna"].outputs[0]).any()


@pytest.mark.parametrize("view", ["rna", "cnv+rna"])
@pytest.mark.parametrize("at_once", [1, 3, 4])
def test_splits_in_one_batch_are_those_one_by_one(made: Made, view: str, at_once: int) -> None:
    """The full cohort and its training sets have more samples, and more components, than the others."""
    with mock.patch.object(encode_module, "splits_at_once", lambda *_: at_once):
        assert_close(made.encode(view), made.encodings[view])


@pytest.mark.parametrize("most", [14, 7])
def test_out_of_memory_halves_the_batch_and_changes_nothing(
    made: Made, caplog: pytest.LogCaptureFixture, most: int
) -> None:
    """A GPU that holds so many networks, where 4 splits of 7 training sets are asked for."""
    sizes = []

    def train(networks: Any, *arguments: Any, real: Any = fit_module.train, **options: Any) -> Any:
        if len(networks.bias) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        sizes.append(len(networks.bias))
        return real(networks, *arguments, **options)

    with (
        mock.patch.object(encode_module, "splits_at_once", lambda *_: 4),
        mock.patch.object(fit_module, "train", train),
        caplog.at_level(logging.WARNING),
    ):
        assert_close(made.encode("rna"), made.encodings["rna"])
    assert sizes == [most] * (28 // most)
    assert "out of memory with 1 networks on the training sets of 4 splits" in caplog.text


def test_out_of_memory_with_one_network_is_an_error(made: Made) -> None:
    failing = mock.Mock(side_effect=torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    with mock.patch.object(fit_module, "train", failing), pytest.raises(torch.OutOfMemoryError):
        made.encode("rna")


def test_as_many_splits_at_once_as_fit_the_free_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, settings = torch.device("cuda", 0), EncoderConfig()

    def at_once(free: int, n_models: int) -> int:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
        return splits_at_once(gpu, 600, 6, n_models, 5, settings)

    # What one split's activations and their gradients alone take.
    bytes_of_split = 4 * 6 * 44 * settings.units * 600 * 2
    for free in (2**30, 2**33, 2**36):
        assert 1 <= at_once(free, 44) * bytes_of_split < free
        assert at_once(free, 1) > at_once(free, 44)
    assert at_once(2**33, 44) > 7 * at_once(2**30, 44) > 0
    assert at_once(2**10, 44) == 1
    # On a CPU few, whatever its memory.
    assert splits_at_once(CPU, 600, 6, 44, 5, settings) == 1 < splits_at_once(CPU, 600, 6, 1, 5, settings)


def test_a_split_that_fails_stops_the_others() -> None:
    done = []

    def work(batch: Any) -> list[dict[str, Any]]:
        if 0 in batch:
            raise ValueError("no such split")
        done.extend(batch)
        return [{} for _ in batch]

    with pytest.raises(ValueError, match="no such split"):
        over_splits(work, 500, threads=1, device=CPU, progress=lambda done, total: None)
    assert len(done) < 499
