"""Each loss against a slow twin: plain loops written from the equation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from eimg_core import losses

TAU = 0.3


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(u: Tensor, v: Tensor) -> float:
    dot = sum(float(a) * float(b) for a, b in zip(u, v, strict=True))
    return dot / math.sqrt(sum(float(a) ** 2 for a in u) * sum(float(b) ** 2 for b in v))


def score(u: Tensor, v: Tensor) -> float:
    """Eq. 6, 8, 10."""
    return cosine(u, v) / TAU


def slow_inter(images: Tensor, positives: Tensor, negatives: Tensor) -> float:
    """Eq. 7 with a mean over x."""
    total = 0.0
    for x in images:
        denominator = sum(math.exp(score(x, a)) for a in [*positives, *negatives])
        total += -sum(math.log(math.exp(score(x, y)) / denominator) for y in positives) / len(positives)
    return total / len(images)


def slow_intra(positives: Tensor, negatives: Tensor) -> float:
    """Eq. 9 and 11 with a mean over members; a member is no partner of itself and not in its own denominator."""
    classes = [list(positives), list(negatives)]
    members = classes[0] + classes[1]
    losses_of_members = []
    for own in classes:
        for u in own:
            partners = [p for p in own if p is not u]
            denominator = sum(math.exp(score(u, a)) for a in members if a is not u)
            losses_of_members.append(
                -sum(math.log(math.exp(score(u, p)) / denominator) for p in partners) / len(partners)
            )
    return sum(losses_of_members) / len(losses_of_members)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_inter_modal_is_eq_7(n, seed):
    x, y, far = (vectors(n, 5, seed=10 * seed + i) for i in range(3))
    assert float(losses.inter_modal(x, y, far, TAU)) == pytest.approx(slow_inter(x, y, far))


@pytest.mark.parametrize("n", [2, 3, 8])
def test_intra_modal_is_eq_9(n):
    near, far = vectors(n, 5, seed=1), vectors(n, 5, seed=2)
    assert float(losses.intra_modal(near, far, TAU)) == pytest.approx(slow_intra(near, far))


def test_anchors_are_independent_and_averaged():
    x, y, far = (vectors(4, 3, 5, seed=i) for i in range(3))
    each = [slow_inter(*sets) for sets in zip(x, y, far, strict=True)]
    assert float(losses.inter_modal(x, y, far, TAU)) == pytest.approx(sum(each) / 4)
    each = [slow_intra(*sets) for sets in zip(y, far, strict=True)]
    assert float(losses.intra_modal(y, far, TAU)) == pytest.approx(sum(each) / 4)


def test_order_inside_a_set_does_not_matter():
    x, y, far = (vectors(5, 4, seed=i) for i in range(3))
    turned = losses.inter_modal(x.flip(0), y.roll(2, 0), far.flip(0), TAU)
    assert float(turned) == pytest.approx(float(losses.inter_modal(x, y, far, TAU)))


def test_inter_modal_at_known_angles():
    """All positives on the image, all negatives opposite: each term is −log( e^{1/τ} / (n e^{1/τ} + n e^{−1/τ}) )."""
    n = 3
    one = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(n, -1)
    expected = -math.log(math.exp(1 / TAU) / (n * math.exp(1 / TAU) + n * math.exp(-1 / TAU)))
    assert float(losses.inter_modal(one, 2 * one, -3 * one, TAU)) == pytest.approx(expected)


def test_alignment_lowers_the_contrast():
    x, far = vectors(4, 6, seed=1), vectors(4, 6, seed=2)
    assert losses.inter_modal(x, x.mean(0).expand(4, -1), far, TAU) < losses.inter_modal(x, far, x, TAU)


def test_a_class_of_one_has_no_partner():
    with pytest.raises(ValueError, match="at least 2"):
        losses.intra_modal(vectors(1, 3), vectors(2, 3), TAU)
    with pytest.raises(ValueError, match="temperature"):
        losses.cosine_scores(vectors(2, 3), vectors(2, 3), 0.0)


def test_total_is_eq_12_and_13():
    sets = [vectors(2, 3, 5, seed=i) for i in range(4)]
    terms = losses.contrastive(*sets, TAU)
    images_near, images_far, music_near, music_far = sets
    assert float(terms.inter_modal) == pytest.approx(float(losses.inter_modal(images_near, music_near, music_far, TAU)))
    assert float(terms.intra_image) == pytest.approx(float(losses.intra_modal(images_near, images_far, TAU)))
    assert float(terms.intra_music) == pytest.approx(float(losses.intra_modal(music_near, music_far, TAU)))


def test_shares_are_a_gaussian_of_the_distance_in_the_plane():
    va, others, sigma = 5 + vectors(3, 2, seed=1), 5 + vectors(4, 2, seed=2), 0.8
    for point, row in zip(va, losses.emotion_shares(va, others, sigma), strict=True):
        weights = [math.exp(-float((point - other).pow(2).sum()) / (2 * sigma**2)) for other in others]
        assert row.tolist() == pytest.approx([w / sum(weights) for w in weights], rel=1e-4)
    itself = torch.eye(3, dtype=torch.bool)
    alone = losses.emotion_shares(va, va, sigma, skip=itself)
    assert alone.diagonal().abs().max() == 0
    assert torch.allclose(alone.sum(dim=1), torch.ones(3, dtype=alone.dtype))
    corner, others = torch.tensor([[1.0, 1.0]]), torch.tensor([[9.0, 9.0], [9.0, 8.0]])
    far = losses.emotion_shares(corner, others, 0.1)
    assert float(far[0, 1]) == pytest.approx(1.0)  # nobody is near: the nearest counts, and nothing is 0 / 0


def test_soft_contrast_is_the_cross_entropy_of_shares_and_scores():
    scores, shares = vectors(3, 4, seed=5), vectors(3, 4, seed=6).softmax(dim=1)
    slow = 0.0
    for row, wanted in zip(scores, shares, strict=True):
        total = sum(math.exp(float(s)) for s in row)
        slow -= sum(float(q) * math.log(math.exp(float(s)) / total) for s, q in zip(row, wanted, strict=True)) / 3
    assert float(losses.soft_contrast(scores, shares)) == pytest.approx(slow, rel=1e-5)


def test_soft_contrast_with_one_partner_each_is_infonce():
    scores = vectors(4, 4, seed=7)
    infonce = torch.nn.functional.cross_entropy(scores, torch.arange(4))
    assert float(losses.soft_contrast(scores, torch.eye(4, dtype=scores.dtype))) == pytest.approx(float(infonce))


def test_a_pair_that_is_left_out_moves_nothing():
    scores = vectors(3, 3, seed=8).requires_grad_()
    itself = torch.eye(3, dtype=torch.bool)
    shares = losses.emotion_shares(vectors(3, 2, seed=9), vectors(3, 2, seed=9), 1.0, skip=itself)
    losses.soft_contrast(scores.masked_fill(itself, -torch.inf), shares).backward()
    assert scores.grad.isfinite().all()
    assert scores.grad.diagonal().abs().max() == 0


def test_latent_reconstruction_is_the_squared_norm_of_eq_3_over_d():
    a, b = vectors(4, 7, seed=1), vectors(4, 7, seed=2)
    slow = (
        sum(sum((float(p) - float(q)) ** 2 for p, q in zip(u, v, strict=True)) / 7 for u, v in zip(a, b, strict=True))
        / 4
    )
    assert float(losses.latent_reconstruction(a, b)) == pytest.approx(slow)


def test_gaussian_kl_equals_numerical_integration():
    mu, logvar, prior_mu, prior_logvar = 0.4, -1.2, -0.3, -0.5
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    q = torch.distributions.Normal(mu, math.exp(0.5 * logvar))
    p = torch.distributions.Normal(prior_mu, math.exp(0.5 * prior_logvar))
    expected = torch.trapezoid(q.log_prob(x).exp() * (q.log_prob(x) - p.log_prob(x)), x)
    kl = losses.gaussian_kl(torch.tensor([mu]), torch.tensor([logvar]), prior_mu, prior_logvar)
    assert float(kl) == pytest.approx(float(expected), rel=1e-5)
    assert float(losses.gaussian_kl(torch.zeros(1), torch.zeros(1))) == 0.0


def test_mixture_posterior_is_bayes_rule():
    z, means, logvar = vectors(3, 4), vectors(2, 4, seed=9), -0.7
    std = math.exp(0.5 * logvar)
    for row, got in zip(z, losses.mixture_log_posterior(z, means, logvar).exp(), strict=True):
        densities = [
            math.prod(math.exp(-((float(a - m) / std) ** 2) / 2) for a, m in zip(row, mean, strict=True))
            for mean in means
        ]
        assert got.tolist() == pytest.approx([d / sum(densities) for d in densities])


@pytest.mark.parametrize(("spread", "absolute"), [(1.0, False), (10.0, True)])
def test_attribute_regularisation_over_all_pairs(spread, absolute):
    z, a = vectors(6, seed=3), vectors(6, seed=4)
    slow = 0.0
    for i in range(6):
        for j in range(6):
            error = math.tanh(spread * float(z[i] - z[j])) - ((a[i] > a[j]).item() - (a[i] < a[j]).item())
            slow += (abs(error) if absolute else error**2) / 36
    assert float(losses.attribute_regularisation(z, a, spread=spread, absolute=absolute)) == pytest.approx(slow)


def test_a_sorted_latent_has_nearly_no_attribute_loss():
    a = torch.arange(5.0)
    assert losses.attribute_regularisation(100 * a, a) < 1e-6 < losses.attribute_regularisation(-a, a)


def test_commitment_moves_the_encoder_only():
    encoded, codes = vectors(2, 3).requires_grad_(), vectors(2, 3, seed=5).requires_grad_()
    losses.vq_commitment(encoded, codes).backward()
    assert encoded.grad is not None
    assert codes.grad is None


def test_adversarial_losses_are_cross_entropies():
    real, painted = vectors(5, seed=1), vectors(5, seed=2)

    def nll(logit: float, truth: int) -> float:
        p = 1 / (1 + math.exp(-logit))
        return -math.log(p if truth else 1 - p)

    expected = sum(nll(float(r), 1) for r in real) / 5 + sum(nll(float(f), 0) for f in painted) / 5
    assert float(losses.adversarial_discriminator(real, painted)) == pytest.approx(expected)
    assert float(losses.adversarial_generator(painted)) == pytest.approx(sum(nll(float(f), 1) for f in painted) / 5)


def test_r1_of_a_quadratic():
    """D(x) = Σ a x²: the gradient is 2 a x."""
    a, x = vectors(4, seed=1), vectors(3, 4, seed=2).requires_grad_()
    penalty = losses.r1_penalty((a * x**2).sum(dim=1), x)
    expected = sum(sum((2 * float(p) * float(q)) ** 2 for p, q in zip(a, row, strict=True)) for row in x.detach()) / 3
    assert penalty.item() == pytest.approx(expected)
    penalty.backward()
    assert x.grad is not None
