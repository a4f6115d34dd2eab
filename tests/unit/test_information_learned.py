"""Estimators that fit networks: formulas, known values, what is held out, invariances and what they cannot do."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from information_oracle import Array, slow_infonce, slow_mine
from torch import Tensor, nn

from cch_omics.errors import InputError
from cch_omics.information import critics, latent, learning
from cch_omics.information.critics import donsker_varadhan, infonce_bound
from cch_omics.information.estimators import Estimates, run
from cch_omics.information.half_samples import compress
from cch_omics.information.learning import Fitting, Part, Perceptrons, cross_fit, fit
from cch_omics.information.registry import ESTIMATORS
from research.information.single import mutual_information

LEARNED = {"latent": latent, "infonce": critics, "mine": critics}
every = pytest.mark.parametrize("name", list(LEARNED))
by_critic = pytest.mark.parametrize("name", ["infonce", "mine"])


def pairs(seed: int, items: int, n: int, correlation: float, d: int = 1, noise: int = 0) -> tuple[Tensor, Tensor]:
    """(items, n, d + noise) each: d columns correlate, column by column; the others are noise."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, items, n, d + noise))
    y[..., :d] = correlation * x[..., :d] + math.sqrt(1 - correlation**2) * y[..., :d]
    return torch.as_tensor(x), torch.as_tensor(y)


def estimate(name: str, x: Tensor, y: Tensor, valid: Tensor | None = None, k: int = 3) -> Estimates:
    members = everyone(x) if valid is None else valid
    estimator = ESTIMATORS[name].load()
    return estimator.estimate(*(estimator.prepare(points, members) for points in (x, y)), members, neighbours=k)


def everyone(x: Tensor) -> Tensor:
    return torch.ones(x.shape[:2], dtype=torch.bool)


def flags_of(found: Estimates, item: int = 0) -> set[str]:
    return {flag for flag, present in found.flags.items() if present[item]}


# Bounds against loops


@pytest.mark.parametrize(("bound", "slow"), [(infonce_bound, slow_infonce), (donsker_varadhan, slow_mine)])
def test_bounds_are_their_formulas_of_the_members(
    bound: Callable[[Tensor, Tensor], Tensor], slow: Callable[[Array], float]
) -> None:
    rng = np.random.default_rng(0)
    scores, members = rng.normal(size=(3, 12, 12)), np.zeros((3, 12), dtype=bool)
    expected = []
    for item, size in enumerate((12, 7, 2)):
        chosen = np.sort(rng.permutation(12)[:size])
        members[item, chosen] = True
        expected.append(slow(scores[item][np.ix_(chosen, chosen)]))
    found = bound(torch.as_tensor(scores), torch.as_tensor(members))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_best_critic_has_the_known_information_and_infonce_its_ceiling() -> None:
    # log p(y|x) / p(y) of correlated normal variables, as a critic.
    r, m, items = 0.8, 400, 40
    x, y = (points[..., 0] for points in pairs(1, items, m, r))
    deviation = 1 - r * r
    log_ratio = 0.5 * (y[:, None] ** 2 - (y[:, None] - r * x[..., None]) ** 2 / deviation - math.log(deviation))
    members = torch.ones(items, m, dtype=torch.bool)
    truth = -0.5 * math.log(deviation)
    for bound in (infonce_bound, donsker_varadhan):
        found = bound(log_ratio, members)
        assert abs(float(found.mean()) - truth) < 3 * float(found.std()) / math.sqrt(items) + 0.01
    certain = 1000.0 * torch.eye(m, dtype=torch.float64).expand(2, m, m)
    assert infonce_bound(certain, members[:2]).tolist() == pytest.approx([math.log(m)] * 2)
    assert (donsker_varadhan(certain, members[:2]) > 100).all()


# Known values


@every
def test_nothing_shared_is_about_zero_and_not_clipped(name: str) -> None:
    x, y = pairs(2, 40, 100, 0.0, 2)
    found = estimate(name, x, y).value
    # Bounds of unrelated variables are at most zero in expectation, KSG's estimate is zero.
    assert float(found.mean()) < 0.02
    assert float(found.mean()) > (-0.02 if name == "latent" else -0.15)
    assert float((found < 0).double().mean()) > 0.2


@every
def test_a_strong_dependence_is_found_and_no_more_than_there_is(name: str) -> None:
    x, y = pairs(3, 6, 300, 0.9)
    found = estimate(name, x, y).value
    truth = -0.5 * math.log(1 - 0.81)
    assert 0.65 * truth < float(found.mean()) < truth + 3 * float(found.std()) / math.sqrt(6)
    # Also what no covariance sees.
    square = estimate(name, x, x.square() + 0.1 * y).value
    assert float(square.mean()) > 0.6


def test_latents_find_the_columns_that_matter_where_ksg_is_lost_in_noise() -> None:
    x, y = pairs(4, 10, 400, 0.9, 2, 10)
    truth = -math.log(1 - 0.81)
    by_latents, by_columns = (estimate(name, x, y).value for name in ("latent", "ksg"))
    assert float(by_columns.mean()) < 0.35 * truth
    assert float(by_latents.mean()) > 0.7 * truth


@every
def test_what_is_held_out_touches_no_network(name: str) -> None:
    # With more columns than samples a network could learn any pairing by heart.
    x, y = pairs(5, 10, 60, 0.0, 100)
    found = estimate(name, x, y).value
    assert float(found.mean()) < 0.05


@pytest.mark.slow
@every
def test_half_samples_give_about_the_spread_over_samples(name: str) -> None:
    x, y = pairs(6, 12, 120, 0.8)
    spread = float(estimate(name, x, y).value.std())
    rng = np.random.default_rng(6)
    keep = torch.as_tensor(rng.permuted(np.tile(np.arange(120) < 60, (12, 6, 1)), axis=2))
    estimator = ESTIMATORS[name].load()
    halves = run(estimator, x, y, *compress(keep), neighbours=3).value
    # Learning from half of the samples is harder, and its results vary more.
    assert 0.6 * spread < float(halves.std(1).mean()) < 2.5 * spread
    found = mutual_information(x[0].numpy(), y[0].numpy(), estimator=name, subsamples=2)
    assert found.estimator == name and found.se > 0


# Batches


@every
def test_an_item_is_the_same_whatever_it_is_batched_with(name: str) -> None:
    sizes, size = (100, 81, 70), 104
    rng = np.random.default_rng(7)
    x, y = torch.full((3, size, 3), math.nan).double(), torch.full((3, size, 2), math.nan).double()
    valid, alone = torch.zeros(3, size, dtype=torch.bool), []
    for row, n in enumerate(sizes):
        a, b = pairs(8 + row, 1, n, 0.9, 1, 2)
        where = torch.as_tensor(np.sort(rng.permutation(size)[:n]))
        x[row, where], y[row, where], valid[row, where] = a[0], b[0, :, :2], True
        alone.append(estimate(name, a, b[..., :2]))
    found = estimate(name, x, y, valid)
    # float32: sums of another length round differently.
    np.testing.assert_allclose(found.value, [float(estimate.value) for estimate in alone], atol=0.02)
    assert found.n.tolist() == list(sizes)


@every
def test_selections_are_the_estimates_of_their_samples_in_any_chunks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = pairs(9, 2, 120, 0.8)
    keep = torch.as_tensor(np.random.default_rng(10).random((2, 2, 120)) < 0.6)
    estimator = ESTIMATORS[name].load()
    prepared = [estimator.prepare(points, everyone(x)) for points in (x, y)]
    found = run(estimator, *prepared, *compress(keep), neighbours=3).value
    expected = [
        [float(estimate(name, x[i : i + 1, rows], y[i : i + 1, rows]).value) for rows in keep[i]] for i in range(2)
    ]
    np.testing.assert_allclose(found, expected, atol=0.02)
    monkeypatch.setattr("cch_omics.information.estimators.CHUNK", {"cpu": 1})
    np.testing.assert_allclose(run(estimator, *prepared, *compress(keep), neighbours=3).value, found, atol=0.02)


# Invariances


@every
def test_order_of_samples_and_scale_of_either_do_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pairs(11, 1, 80, 0.9, 2)
    expected = float(estimate(name, x, y).value)
    order = torch.as_tensor(np.random.default_rng(12).permutation(80))
    assert float(estimate(name, x[:, order], y[:, order]).value) == pytest.approx(expected, abs=0.02)
    assert float(estimate(name, 4 * x - 3, 1e-3 * y + 5).value) == pytest.approx(expected, abs=0.02)
    monkeypatch.setattr(learning, "SEED", 1)
    assert float(estimate(name, x, y).value) != pytest.approx(expected, abs=1e-9)


# What cannot be done


@every
def test_too_few_samples_give_no_estimate(name: str) -> None:
    fewest = 20 if name == "latent" else 50
    x, y = pairs(13, 2, 60, 0.5)
    valid = everyone(x)
    valid[0, fewest:] = False
    valid[1, fewest - 1 :] = False
    found = estimate(name, x, y, valid)
    assert found.value.isnan().tolist() == [False, True]
    with pytest.raises(InputError, match=f"found {fewest - 1} samples of 1 . 1 columns; expected {fewest} samples"):
        mutual_information(x[0, : fewest - 1], y[0, : fewest - 1], estimator=name)
    if name == "latent":
        assert estimate(name, x, y, valid, k=10).value.isnan().all()


@every
def test_a_constant_has_about_no_information_and_is_flagged(name: str) -> None:
    x, y = pairs(14, 1, 100, 0.9, 2)
    constant = torch.full_like(x, 0.1)
    found = estimate(name, constant, y)
    assert abs(float(found.value)) < 0.05
    assert {"columns_left_out", "ties"} <= flags_of(found)
    # Beside columns that vary, a constant changes only the first weights.
    wide = estimate(name, torch.cat([x, constant[..., :1]], -1), y)
    assert float(wide.value) == pytest.approx(float(estimate(name, x, y).value), abs=0.35)
    assert flags_of(wide) == {"columns_left_out"}


@every
def test_ties_are_flagged(name: str) -> None:
    x, y = pairs(15, 1, 60, 0.5)
    assert "ties" in flags_of(estimate(name, x.round(), y))
    assert "ties" not in flags_of(estimate(name, x, y))


@every
def test_a_network_that_still_improves_at_the_last_step_is_flagged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pairs(16, 2, 200, 0.95)
    for epochs in (5, 1000):
        monkeypatch.setattr(LEARNED[name], "FITTING", LEARNED[name].FITTING._replace(epochs=epochs))
        assert estimate(name, x, y).flags["not_converged"].tolist() == 2 * [epochs == 5]


def test_infonce_says_when_it_is_near_its_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not estimate("infonce", *pairs(18, 1, 100, 0.5)).flags["near_limit"].any()
    # Many samples far apart from each other, each with a mate near by.
    x, _ = pairs(17, 2, 100, 0.0, 8)
    monkeypatch.setattr(critics, "FITTING", critics.FITTING._replace(weight_decay=0.01))
    found = estimate("infonce", x, x)
    assert (found.value < math.log(50)).all()
    assert found.flags["near_limit"].all()


@by_critic
def test_a_critic_that_learns_nothing_is_the_constant_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pairs(19, 2, 60, 0.9)
    monkeypatch.setattr(critics, "FITTING", critics.FITTING._replace(learning_rate=0.0))
    assert estimate(name, x, y).value.tolist() == pytest.approx([0, 0], abs=1e-6)


# Fitting


class Lines(nn.Module):
    """M lines through the origin."""

    def __init__(self, models: int, start: float = 0.0) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((models, 1, 1), start))

    def loss(self, part: Part) -> Tensor:
        """Squared error of y."""
        return ((part.x * self.slope - part.y).square()[..., 0] * part.weights).sum(-1)


def line(target: float, n: int = 8) -> Part:
    x = torch.linspace(-1, 1, n)[None, :, None]
    return Part(x, target * x, torch.ones(1, n, dtype=torch.bool))


def stacked(*parts: Part) -> Part:
    return Part(*(torch.cat(arrays) for arrays in zip(*parts, strict=True)))


def test_each_network_is_taken_where_its_own_stopping_loss_was_lowest() -> None:
    settings = Fitting(epochs=900, patience=20, learning_rate=0.02, weight_decay=0.0)
    # Training leads to 2; stopping samples are best at 1, passed on the way, at 2, and at -1, which is behind.
    train, stop = stacked(line(2), line(2), line(2)), stacked(line(1), line(2), line(-1))
    lines = Lines(3)
    assert fit([lines], lines.loss, train, stop, settings).all()
    assert lines.slope.flatten().tolist() == pytest.approx([1, 2, 0], abs=0.1)
    short = Lines(3)
    assert not fit([short], short.loss, train, train, settings._replace(epochs=7)).any()


def test_gradients_of_rounding_size_make_no_steps() -> None:
    settings = Fitting(epochs=20, patience=100, learning_rate=0.05, weight_decay=0.0)
    tiny = Lines(1)
    fit([tiny], lambda part: 1e-8 * tiny.loss(part), line(3), line(3), settings)
    assert abs(tiny.slope.item()) < 1e-3
    steps = Lines(1)
    fit([steps], steps.loss, line(3), line(3), settings)
    assert steps.slope.item() > 0.5


def test_halves_are_disjoint_and_scaled_by_the_training_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "REPEATS", 3)
    x, y = pairs(20, 2, 50, 0.5, 2)
    valid = everyone(x)
    valid[1, 40:] = False
    parts = cross_fit(1000 * x * torch.tensor([1.0, 3.0]) + 7, y, valid)
    assert [int(part.members.sum(-1)[0]) for part in parts] == [20, 5, 25]
    assert [int(part.members.sum(-1)[-1]) for part in parts] == [16, 4, 20]
    train, _, held_out = parts
    weights = train.weights[..., None]
    np.testing.assert_allclose((train.x * weights).sum(1), 0, atol=1e-5)
    np.testing.assert_allclose((train.x.square() * weights).sum(1).mean(-1), 1, atol=1e-5)
    # y identifies a sample, up to the scale of each network: nobody is in two parts, and both halves cover everyone.
    for network in range(12):
        ratio = [part.y[network][part.members[network]][:, 0] for part in parts]
        together = torch.cat(ratio)
        assert len(together.unique()) == len(together) == int(valid[network // 6].sum())
    assert not torch.equal(held_out.y[0], held_out.y[2])


def test_the_perceptron_is_the_formula() -> None:
    network = Perceptrons(3, 2, [1, 2], 2, torch.device("cpu"))
    points = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.hidden_bias += 0.5
        expected = torch.tanh(points @ network.hidden + 0.5) @ network.output + network.output_bias
        np.testing.assert_allclose(network(points), expected, atol=1e-6)
    # The networks of every item start alike.
    assert torch.equal(network.hidden[:2], network.hidden[2:])
    assert not torch.equal(network.hidden[0], network.hidden[1])


def test_a_network_that_has_converged_is_not_looked_at_again_whoever_it_is_beside() -> None:
    kind = torch.tensor([1.0] + 9 * [0.0])[:, None, None]
    train, stop = Part(torch.zeros_like(kind), kind, kind > -1), Part(torch.ones_like(kind), kind, kind > -1)
    settings = Fitting(epochs=400, patience=30, learning_rate=0.02, weight_decay=0.0)

    def fitted(models: int) -> tuple[list[float], list[bool]]:
        lines = Lines(models)

        def loss(part: Part) -> Tensor:
            w = lines.slope[:, 0, 0]
            # Training goes to 10. Stopping samples of y = 1 have a minimum at 1 and a lower one at 3; others none.
            two_minima = torch.cos(math.pi * w) - 0.1 * w
            stopping = torch.where(part.y[:, 0, 0] == 1, two_minima, -w)
            return torch.where(part.x[:, 0, 0] == 0, (w - 10).square(), stopping)

        converged = fit([lines], loss, *(Part(*(a[:models] for a in part)) for part in (train, stop)), settings)
        return lines.slope.flatten().tolist(), converged.tolist()

    slopes, converged = fitted(10)
    assert slopes[0] == pytest.approx(1, abs=0.15)
    assert slopes[0] == fitted(1)[0][0]
    assert converged == [True] + 9 * [False]


def test_latents_are_in_units_of_the_training_samples_spread() -> None:
    points = torch.randn(2, 40, 2, generator=torch.Generator().manual_seed(0)) @ torch.tensor([[3.0, 1.0], [0.0, 0.01]])
    members = torch.ones(2, 40, dtype=torch.bool)
    members[1, 30:] = False
    points[1, 30:] = 0.0
    weights = Part(points, points, members).weights
    white = latent.whitened(points, points, weights)
    for item, n in enumerate((40, 30)):
        covariance = np.cov(white[item, :n].T.numpy(), bias=True)
        np.testing.assert_allclose(covariance, np.eye(2), atol=1e-4)
    # A direction without variance stays without.
    flat = latent.whitened(points * torch.tensor([1.0, 0.0]), points, weights)
    assert np.linalg.matrix_rank(np.cov(flat[0].T.numpy()), tol=1e-6) == 1
