"""The batched networks are plain ones, and dropout is a function of seed, epoch, sample and input."""

import numpy as np
import torch

from cch_omics.models.network import Drawn, InputDropout, Networks, initialise

G, M, N, K, R, C = 3, 2, 40, 7, 5, 4


def drawn(n: int = N, k: int = K, samples: np.ndarray | None = None) -> Drawn:
    return Drawn(n, k, np.arange(n) if samples is None else samples)


def test_each_network_is_a_hidden_layer_and_a_head() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = (G, M, R, K), (G, M, R, 1), (G, M, C, R), (G, M, C, 1)
    networks = Networks(*(torch.randn(shape, generator=generator) for shape in shapes))
    inputs = torch.randn(G, N, K, generator=generator)
    hidden, outputs = networks.represent(inputs), networks(inputs)
    for g in range(G):
        for m in range(M):
            first, bias, head, head_bias = (parameter.detach()[g, m] for parameter in networks.parameters())
            expected = torch.tanh(torch.nn.functional.linear(inputs[g], first, bias[:, 0]))
            torch.testing.assert_close(hidden[g, m].detach(), expected.T, atol=1e-5, rtol=1e-5)
            expected = torch.nn.functional.linear(expected, head, head_bias[:, 0])
            torch.testing.assert_close(outputs[g, m].detach(), expected.T, atol=1e-5, rtol=1e-4)


def test_networks_start_alike_in_a_group_and_by_their_seed_whatever_else_starts() -> None:
    networks, alone = (
        initialise(seeds, m, K, R, np.zeros((len(seeds), C), dtype=np.float32), shared=False)
        for seeds, m in (([3, 8], M), ([8], 1))
    )
    torch.testing.assert_close(networks.weight[0, 0], networks.weight[0, 1], rtol=0, atol=0)
    torch.testing.assert_close(networks.weight[1, :1], alone.weight[0], rtol=0, atol=0)
    assert (networks.weight[0, 0] != networks.weight[1, 0]).all()
    # No output is likelier than another.
    assert not networks(torch.randn(2, N, K)).any()


def test_without_dropout_inputs_are_plain() -> None:
    inputs = torch.randn(2, N, K)
    for rate in (0.0, 0.001):  # rounded to 1/256
        dropout = InputDropout(inputs, [drawn()] * 2, [0, 1], rate)
        for _ in range(2):
            assert torch.equal(dropout.draw(), inputs)


def test_masks_are_the_same_whatever_else_is_in_the_batch() -> None:
    """Among groups that leave, behind padding, and though the networks learn from fewer samples."""
    epochs, some = 4, np.array([0, 2, 3, 11])
    alone = InputDropout(torch.ones(1, N, K), [drawn()], [5], 0.25)
    expected = [alone.draw()[0].clone() for _ in range(epochs)]
    fewer = InputDropout(torch.ones(1, len(some), K), [drawn(samples=some)], [5], 0.25)
    sizes = [drawn(N + 3, K), drawn(), drawn(N, K + 2)]
    batch = InputDropout(torch.ones(3, N + 3, K + 2), sizes, [4, 5, 6], 0.25)
    others = []
    for epoch, mask in enumerate(expected):
        drew = batch.draw()
        assert torch.equal(drew[0 if epoch > 1 else 1, :N, :K], mask)
        assert torch.equal(fewer.draw()[0], mask[some])
        others.append(drew[-1].clone())
        if epoch == 1:
            batch.keep(torch.tensor([1, 2]))
    assert all((mask != expected[0]).any() for mask in [*expected[1:], *(each[:N, :K] for each in others)])


def test_padding_stays_zero() -> None:
    inputs = torch.nn.functional.pad(torch.ones(2, N, K), (0, 2, 0, 3))
    masked = InputDropout(inputs, [drawn()] * 2, [0, 1], 0.25).draw()
    assert not masked[:, N:].any() and not masked[..., K:].any() and masked.any()


def test_inputs_are_dropped_at_random_and_keep_their_mean() -> None:
    dropout = InputDropout(torch.ones(2, 200, 50), [drawn(200, 50)] * 2, [0, 1], 0.2)
    rate = 51 / 256
    masks = torch.stack([dropout.draw().clone() for _ in range(100)]).double()  # (epochs, G, n, k)
    kept = masks > 0
    expected = torch.full((int(kept.sum()),), 1 / (1 - rate), dtype=torch.float64)
    torch.testing.assert_close(masks[kept], expected, rtol=1e-6, atol=0)
    # Means over any axis spread as those of independent draws do: within a tenth of the standard deviation.
    for axis in (0, 2, 3):
        spread = kept.double().mean(axis).std() / (rate * (1 - rate) / kept.shape[axis]) ** 0.5
        assert abs(spread - 1) < 0.1
    assert abs(kept.double().mean() - (1 - rate)) < 5 * (rate * (1 - rate) / kept.numel()) ** 0.5
    # Neighbours in any axis do not know of each other.
    for axis in range(4):
        left, right = (kept.narrow(axis, start, kept.shape[axis] - 1) for start in (0, 1))
        both, share = (left & right).double(), (1 - rate) ** 2
        assert abs(both.mean() - share) < 5 * (share * (1 - share) / both.numel()) ** 0.5


def test_a_rate_of_nearly_one_leaves_a_little() -> None:
    masked = InputDropout(torch.ones(1, 200, 50), [drawn(200, 50)], [0], 0.999).draw()
    assert 0 < (masked > 0).double().mean() < 0.01 and torch.isfinite(masked).all()
