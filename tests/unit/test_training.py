"""Encoders and students as the workflow trains them: what they may see, and what they must not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from cohorts import make_cohort

from cch_omics import distillation, encoders, ensemble
from cch_omics.config import (
    CriterionConfig,
    DistillationConfig,
    EncoderConfig,
    InformationConfig,
    ReferencesConfig,
    SplitsConfig,
)
from cch_omics.verdict.rule import decide
from cch_omics.models.distil import distil, distil_grids
from cch_omics.models.encode import encode
from cch_omics.information.pairs import estimate_pairs
from cch_omics.models.out_of_fold import load_distillation, load_encoding, save_distillation, save_encoding
from cch_omics.models.baselines import fit_references
from cch_omics.splits import Splits, make_splits
from cch_omics.tasks.classification import class_offsets
from cch_omics.models.training_sets import fit, judges, over_splits, predict_chosen, splits_at_once, training_sets

CPU = torch.device("cpu")
ENCODER = EncoderConfig(units=6, components=10, max_epochs=30)
DISTILLATION = DistillationConfig(lambdas=[0.5], temperatures=[1.0, 3.0])
FOLDS = SplitsConfig(repeats=1, folds=3, inner_folds=3)


def run(cohort, splits):
    encodings = {m: encode(cohort, splits, m, ENCODER, seed=0, device=CPU) for m in cohort.modalities}
    taught = distil(cohort, splits, encodings, "cnv", DISTILLATION, ENCODER, seed=0, device=CPU)
    return encodings, taught


@pytest.fixture(scope="module")
def cohort():
    return make_cohort()


@pytest.fixture(scope="module")
def splits(cohort):
    return make_splits(cohort, FOLDS, seed=0)


@pytest.fixture(scope="module")
def fitted(cohort, splits):
    return run(cohort, splits)


def test_grids_that_are_trained_together_choose_each_as_if_alone(cohort, splits, fitted):
    encodings, taught = fitted
    fixed = DistillationConfig(lambdas=[0.9], temperatures=[3.0])
    both = distil_grids(
        cohort,
        splits,
        encodings,
        "cnv",
        [DISTILLATION, fixed],
        ENCODER,
        seed=0,
        device=CPU,
        shuffled_controls=False,
    )
    alone = distil(cohort, splits, encodings, "cnv", fixed, ENCODER, seed=0, device=CPU)
    for found, expected in zip(both, (taught, alone), strict=True):
        assert set(found.teachers) == set(cohort.modalities)
        v = len(found.teachers)
        assert not found.shuffled.any() and found.teachers == expected.teachers[:v]
        np.testing.assert_array_equal(found.lambdas, expected.lambdas[:v])
        np.testing.assert_array_equal(found.temperatures, expected.temperatures[:v])
        np.testing.assert_allclose(found.logits, expected.logits[:v], atol=1e-5)
        np.testing.assert_allclose(found.networks[0].weight, expected.networks[0].weight, atol=1e-5)


def scrambled(cohort, members):
    """The cohort with every value and label of the members changed."""
    modalities = {}
    for name, modality in cohort.modalities.items():
        values = modality.values.copy()
        changed = members[modality.rows]
        values[changed] = 7 - 3 * np.nan_to_num(values[changed][::-1])
        modalities[name] = dataclasses.replace(modality, values=values)
    labels = np.where(members, (cohort.labels + 2) % len(cohort.classes), cohort.labels)
    return dataclasses.replace(cohort, modalities=modalities, labels=labels)


def test_test_samples_change_nothing_on_the_training_side(cohort, splits, fitted):
    for s in range(splits.whole):
        encodings, taught = run(scrambled(cohort, splits.test[s]), splits)
        train = splits.train[s]
        for name, before in fitted[0].items():
            after = encodings[name]
            np.testing.assert_array_equal(before.representation[s, train], after.representation[s, train])
            np.testing.assert_array_equal(before.logits[s, train], after.logits[s, train])
            assert before.epochs[s] == after.epochs[s]
        np.testing.assert_array_equal(fitted[1].logits[:, s, train], taught.logits[:, s, train])
        np.testing.assert_array_equal(fitted[1].lambdas[:, s], taught.lambdas[:, s])
        np.testing.assert_array_equal(fitted[1].temperatures[:, s], taught.temperatures[:, s])
        np.testing.assert_array_equal(fitted[1].epochs[:, s], taught.epochs[:, s])
        # The check can fail: what is predicted for the changed samples does change.
        assert (before.logits[s, ~train] != after.logits[s, ~train]).any()


def test_test_samples_change_no_estimate_verdict_offset_or_reference_model(cohort, splits, fitted):
    def judge(cohort, encodings):
        estimates = estimate_pairs(cohort, splits, encodings, InformationConfig(subsamples=5), seed=0)
        return decide(estimates, CriterionConfig(), target="subtype")

    def references(cohort):
        return fit_references(cohort, splits, ReferencesConfig(), seed=0).logits

    verdicts, models = judge(cohort, fitted[0]), references(cohort)
    for s in range(splits.whole):
        changed = scrambled(cohort, splits.test[s])
        encodings, _ = run(changed, splits)
        of_split = (verdicts["repeat"] == splits.repeat[s]) & (verdicts["fold"] == splits.fold[s])
        pd.testing.assert_frame_equal(verdicts[of_split], judge(changed, encodings)[of_split], check_exact=True)
        train = splits.train[s]
        np.testing.assert_array_equal(models[:, :, s, train], references(changed)[:, :, s, train])
        usable = splits.labelled[s]
        np.testing.assert_array_equal(
            class_offsets(fitted[0]["rna"].logits[s], cohort.labels, usable),
            class_offsets(encodings["rna"].logits[s], changed.labels, usable),
        )
        assert (models[:, :, s, ~train] != references(changed)[:, :, s, ~train]).any()


def test_an_inner_fold_does_not_reach_its_own_encoder(cohort, splits):
    """With the number of epochs given: it is chosen on the other folds, by encoders that were trained on this one.

    Nor do its labels reach what teaches the students without it.
    """
    s, fold = 0, 1
    given = ENCODER.model_copy(update={"max_epochs": 5})
    before = encode(cohort, splits, "rna", given, seed=0, device=CPU)
    members = splits.inner[s] == fold
    relabelled = np.where(members & cohort.labelled, (cohort.labels + 1) % 3, cohort.labels)
    after = encode(dataclasses.replace(cohort, labels=relabelled), splits, "rna", given, seed=0, device=CPU)
    np.testing.assert_array_equal(before.representation[s, members], after.representation[s, members])
    np.testing.assert_array_equal(before.logits[s, members], after.logits[s, members])
    others = splits.train[s] & ~members
    assert (before.logits[s, others] != after.logits[s, others]).any()
    np.testing.assert_array_equal(before.teaching_logits[s, fold], after.teaching_logits[s, fold])
    # Each sample with a label is taught without it.
    taught = members & splits.labelled[s]
    for g in {0, 2}:
        np.testing.assert_array_equal(before.teaching_logits[s, g, taught], after.teaching_logits[s, g, taught])
    assert (before.teaching_logits[s, 0, others] != after.teaching_logits[s, 0, others]).any()


def test_labels_of_an_inner_fold_do_not_reach_the_students_without_it(cohort, splits):
    """Not by way of a teacher that was trained on them either; with nothing to choose, as above."""
    s, fold = 0, 1
    given = ENCODER.model_copy(update={"max_epochs": 5})
    point = DistillationConfig(lambdas=[0.9], temperatures=[1.0])
    members = splits.inner[s] == fold

    def students(labels):
        changed = dataclasses.replace(cohort, labels=labels)
        encodings = {m: encode(changed, splits, m, given, seed=0, device=CPU) for m in cohort.modalities}
        return distil(changed, splits, encodings, "cnv", point, given, seed=0, device=CPU).logits[:, s]

    before = students(cohort.labels)
    after = students(np.where(members & cohort.labelled, (cohort.labels + 1) % 3, cohort.labels))
    np.testing.assert_array_equal(before[:, members], after[:, members])
    others = splits.train[s] & ~members & cohort.profiled("cnv")
    assert all((one[others] != other[others]).any() for one, other in zip(before, after, strict=True))


def test_labels_beyond_the_budget_are_not_used(cohort, splits):
    few = Splits(splits.repeat, splits.fold, splits.inner, splits.labelled & (np.arange(90) % 2 == 0))
    hidden = splits.train[0] & ~few.labelled[0]
    relabelled = np.where(hidden, (cohort.labels + 1) % 3, cohort.labels)
    before = encode(cohort, few, "rna", ENCODER, seed=0, device=CPU)
    after = encode(dataclasses.replace(cohort, labels=relabelled), few, "rna", ENCODER, seed=0, device=CPU)
    np.testing.assert_array_equal(before.logits[0], after.logits[0])


def test_where_predictions_exist(cohort, splits, fitted):
    encodings, taught = fitted
    for name, encoding in encodings.items():
        profiled = cohort.profiled(name)
        assert np.isfinite(encoding.logits[:, profiled]).all()
        assert np.isnan(encoding.logits[:, ~profiled]).all()
        held_out = splits.train & profiled
        assert np.isfinite(encoding.representation[held_out]).all()
        assert np.isnan(encoding.representation[~held_out]).all()
        for g in range(splits.n_inner):
            other_folds = held_out & (splits.inner != g)
            assert np.isfinite(encoding.teaching_logits[:, g][other_folds]).all()
            assert np.isnan(encoding.teaching_logits[:, g][~other_folds]).all()
        labelled = held_out & splits.labelled
        np.testing.assert_array_equal(encoding.teaching_logits[:, -1][labelled], encoding.logits[labelled])
        assert np.isfinite(encoding.teaching_logits[:, -1][held_out]).all()
        assert np.isnan(encoding.teaching_logits[:, -1][~held_out]).all()
    assert np.isfinite(taught.logits[:, :, cohort.profiled("cnv")]).all()
    assert taught.teachers == ("mutation", "rna", "cnv", "mutation", "rna")
    assert taught.shuffled.tolist() == [False, False, False, True, True]


def test_a_sample_without_a_label_is_taught_by_all_encoders_that_may(cohort, splits):
    """By hand: with a label by the one that went without it, else by the set's and those without a fold more."""
    s = 0
    few = Splits(splits.repeat, splits.fold, splits.inner, splits.labelled & (np.arange(90) % 3 == 0))
    sets = training_sets(cohort, few, s, "cnv", ENCODER, seed=0, device=CPU, without_pairs=True)
    (trained,) = fit([sets], cohort.labels[sets.rows], 3, ENCODER)
    _, logits = predict_chosen(trained, sets.inputs, np.zeros(len(sets.train), dtype=np.int64))
    teaching = encode(cohort, few, "cnv", ENCODER, seed=0, device=CPU).teaching_logits[s]
    # Which folds each encoder went without.
    without = [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, set()]
    for number, sample in enumerate(sets.rows):
        fold = few.inner[s, sample]
        for g, own in enumerate([{0}, {1}, {2}, set()]):
            if fold < 0 or fold in own:
                assert np.isnan(teaching[g, sample]).all()
                continue
            if few.labelled[s, sample]:
                may = [without.index(own | {fold})]
            else:
                may = [each for each, folds in enumerate(without) if own <= folds and len(folds - own) <= 1]
                assert len(may) == (3 if own else 4)
            np.testing.assert_allclose(teaching[g, sample], logits[may, number].mean(0), atol=1e-5)


def test_encoders_learn(cohort, splits, fitted):
    tested = splits.test[0] & cohort.labelled
    assert (fitted[0]["rna"].logits[0, tested].argmax(1) == cohort.labels[tested]).mean() > 0.7


def test_unlabelled_paired_samples_are_taught(cohort, splits, fitted):
    """Their features reach the student through soft targets alone."""
    few = Splits(splits.repeat, splits.fold, splits.inner, splits.labelled & (np.arange(90) % 3 == 0))

    def lambdas_and_logits(unlabelled):
        settings = DISTILLATION.model_copy(update={"unlabelled": unlabelled})
        return distil(cohort, few, fitted[0], "cnv", settings, ENCODER, seed=0, device=CPU).logits

    assert (lambdas_and_logits(True)[0, 0] != lambdas_and_logits(False)[0, 0]).any()


def test_students_stop_by_what_their_teacher_says_of_held_out_samples(cohort, splits, fitted):
    """Of inner folds, by encoders without them; that changes nothing else, and of test samples nothing is asked."""
    encodings, _ = fitted
    point = DistillationConfig(lambdas=[0.9], temperatures=[1.0])
    given = ENCODER.model_copy(update={"max_epochs": 5})

    def students(logits, encoder=ENCODER):
        changed = encodings | {"rna": dataclasses.replace(encodings["rna"], logits=logits)}
        return distil(cohort, splits, changed, "cnv", point, encoder, seed=0, device=CPU)

    said = encodings["rna"].logits
    before = students(said)
    of_rna = np.array([name == "rna" for name in before.teachers])
    after = students(np.where(splits.train[..., None], -said, said))
    assert (before.epochs[of_rna] != after.epochs[of_rna]).any()
    np.testing.assert_array_equal(before.logits[~of_rna], after.logits[~of_rna])
    of_tested = students(np.where(splits.test[..., None], -said, said))
    np.testing.assert_array_equal(before.logits, of_tested.logits)
    one, other = (students(logits, given).logits for logits in (said, -said))
    np.testing.assert_array_equal(one, other)


def test_folded_networks_predict_from_raw_features(cohort, splits, fitted):
    """A network on raw features is the encoder that predicted: shown on the test samples of a cohort of one split."""
    one = Splits(*(part[:1] for part in (splits.repeat, splits.fold, splits.inner, splits.labelled)))
    encoding = encode(cohort, one, "cnv", ENCODER, seed=0, device=CPU)
    data = cohort.modalities["cnv"]
    tested = one.test[0, data.rows]
    np.testing.assert_allclose(
        encoding.network.logits(data.values[tested]), encoding.logits[0, data.rows[tested]], atol=1e-4
    )


def test_same_seed_same_bits(cohort, splits, fitted):
    encodings, taught = run(cohort, splits)
    np.testing.assert_array_equal(encodings["rna"].representation, fitted[0]["rna"].representation)
    np.testing.assert_array_equal(taught.logits, fitted[1].logits)
    other = encode(cohort, splits, "rna", ENCODER, seed=1, device=CPU)
    assert (other.logits[0] != fitted[0]["rna"].logits[0]).any()


def test_round_trips(fitted, tmp_path):
    encodings, taught = fitted
    save_encoding(encodings["cnv"], tmp_path / "encoding.npz")
    encoding = load_encoding(tmp_path / "encoding.npz")
    assert encoding.inputs is None
    kept = load_encoding(tmp_path / "encoding.npz", inputs=True).inputs
    np.testing.assert_array_equal(kept, encodings["cnv"].inputs)
    np.testing.assert_array_equal(encoding.representation, encodings["cnv"].representation)
    np.testing.assert_array_equal(encoding.teaching_logits, encodings["cnv"].teaching_logits)
    np.testing.assert_array_equal(encoding.network.weight, encodings["cnv"].network.weight)
    save_distillation(taught, tmp_path / "distillation.npz")
    distillation = load_distillation(tmp_path / "distillation.npz")
    assert distillation.teachers == taught.teachers
    np.testing.assert_array_equal(distillation.logits, taught.logits)
    np.testing.assert_array_equal(distillation.networks[3].bias, taught.networks[3].bias)


def test_students_take_the_inputs_that_encoding_kept(cohort, splits, fitted):
    """The same bits as from raw features, and it is these that are used."""
    encodings, taught = fitted

    def distilled(change):
        changed = encodings | {"cnv": dataclasses.replace(encodings["cnv"], inputs=change(encodings["cnv"].inputs))}
        return distil(cohort, splits, changed, "cnv", DISTILLATION, ENCODER, seed=0, device=CPU).logits

    np.testing.assert_array_equal(distilled(lambda inputs: None), taught.logits)
    assert (distilled(lambda inputs: inputs * 2)[0, 0] != taught.logits[0, 0]).any()


def test_choice_for_a_fold_does_not_look_at_it():
    losses = np.array([[9.0, 1.0, 1.0, 5.0], [0.0, 2.0, 2.0, 0.0]])
    # Fold 0 alone prefers candidate 1; the others prefer candidate 0. The last column is of the test samples.
    assert (losses @ judges(np.ones(3)).T).argmin(0).tolist() == [0, 1, 1, 1]
    assert (losses @ judges(np.array([0.1, 1.0, 1.0])).T).argmin(0).tolist() == [0, 0, 0, 0]
    # Nor does the choice for a pair of folds look at either.
    several = judges(np.array([4.0, 5.0, 6.0]), [(0, 1), (1, 2)])
    assert several[3:5].tolist() == [[0, 0, 6, 0, 0, 0], [4, 0, 0, 0, 0, 0]]
    assert several[-1].tolist() == [4, 5, 6, 0, 0, 0]


def close(one, other):
    """Float32 rounding in another order, after some steps; NaN at the same places."""
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_splits_in_one_batch_are_those_one_by_one(cohort, splits, fitted, monkeypatch):
    for module in (encoders, distillation):
        monkeypatch.setattr(module, "splits_at_once", lambda *_: 3)
    encodings, taught = run(cohort, splits)
    for name, encoding in encodings.items():
        close(encoding.logits, fitted[0][name].logits)
        close(encoding.representation, fitted[0][name].representation)
        np.testing.assert_array_equal(encoding.epochs, fitted[0][name].epochs)
    close(taught.logits, fitted[1].logits)
    np.testing.assert_array_equal(taught.epochs, fitted[1].epochs)


@pytest.mark.parametrize("most", [60, 6, 1])
def test_out_of_memory_halves_the_batch_and_changes_nothing(cohort, splits, fitted, monkeypatch, caplog, most):
    """A GPU that holds so many networks: 4 splits of 7 training sets (encoders) or of 4, of up to 10 networks."""
    for module in (encoders, distillation):
        monkeypatch.setattr(module, "splits_at_once", lambda *_: 4)
    real, sizes = ensemble.train, []

    def train(networks, *arguments, **options):
        n_groups, n_models = networks.bias.shape[:2]
        if n_groups * n_models > 7 * most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        sizes.append((n_groups, n_models))
        return real(networks, *arguments, **options)

    monkeypatch.setattr(ensemble, "train", train)
    encodings, taught = run(cohort, splits)
    assert "out of memory with 10 networks" in caplog.text or most == 60
    assert max(groups * models for groups, models in sizes) <= 7 * most
    close(encodings["rna"].logits, fitted[0]["rna"].logits)
    close(taught.logits, fitted[1].logits)
    np.testing.assert_array_equal(taught.lambdas, fitted[1].lambdas)


def test_as_many_splits_at_once_as_fit_the_free_memory_of_a_gpu(monkeypatch):
    gpu, settings = torch.device("cuda", 0), EncoderConfig()

    def at_once(free, n_models):
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


def test_out_of_memory_with_one_network_is_an_error(cohort, splits, monkeypatch):
    def train(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(ensemble, "train", train)
    with pytest.raises(torch.OutOfMemoryError):
        encode(cohort, splits, "rna", ENCODER, seed=0, device=CPU)


def test_threads_change_nothing(cohort, splits, fitted):
    threaded = encode(cohort, splits, "rna", ENCODER, seed=0, device=CPU, threads=3)
    np.testing.assert_array_equal(threaded.logits, fitted[0]["rna"].logits)


def test_a_split_that_fails_stops_the_others():
    done = []

    def work(batch):
        if 0 in batch:
            raise ValueError("no such split")
        done.extend(batch)
        return [{} for _ in batch]

    with pytest.raises(ValueError, match="no such split"):
        over_splits(work, 500, threads=1, device=CPU, progress=lambda done, total: None)
    assert len(done) < 499
