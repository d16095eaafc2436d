"""Every loss of the project as a pure function that returns a scalar.

Conventions: B batch, D latent or embedding width, K mixture components or codes. A Gaussian is always (``mu``,
``logvar``); the standard deviation is taken at the last moment. Sums over latent dimensions are sums unless the name
says mean. Each function has a slow twin in ``tests/test_losses.py``, written from the equation.

References: the paper (Eq. 3, 6-13); Khosla et al. 2020 (SupCon); van den Oord et al. 2017 (VQ-VAE); Tan and
Herremans 2020 (Music FaderNets); Pati and Lerch 2019 (latent space regularisation).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "ContrastiveTerms",
    "adversarial_discriminator",
    "adversarial_generator",
    "attribute_regularisation",
    "contrastive",
    "cosine_scores",
    "emotion_shares",
    "gaussian_kl",
    "inter_modal",
    "intra_modal",
    "latent_reconstruction",
    "mixture_log_posterior",
    "r1_penalty",
    "soft_contrast",
    "vq_commitment",
]


# --- losses of the bridge ---------------------------------------------------------------------------------------


def latent_reconstruction(predicted: Tensor, target: Tensor) -> Tensor:
    """Eq. 3, as the mean squared error over all elements of standardised features.

    The printed L2 norm is the square root of D times this; it is not smooth at 0 and gives the same minimum.

    Args:
        predicted: ṽ_y, (B, D).
        target: v_y, (B, D), zero mean and unit variance in each dimension.
    """
    return F.mse_loss(predicted, target)


def cosine_scores(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Eq. 6, 8 and 10: S(a_i, b_j) = cos(a_i, b_j) / τ, for (..., N, D) and (..., M, D) → (..., N, M)."""
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(-1, -2) / temperature


def inter_modal(images: Tensor, positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Eq. 7: pull the positive photos to the positive clips, away from the negative clips.

    L = mean over x in {x}+ of  −1/n Σ_{y in {y}+} log( exp S(x, y) / Σ_{a in {y}+ ∪ {y}−} exp S(x, a) ).
    The printed sum over x is a mean here, so that n does not rescale it against Eq. 3.

    Args:
        images: embeddings of {x}+, (..., n, D); leading dimensions are independent anchors.
        positives: embeddings of {y}+, (..., n, D).
        negatives: embeddings of {y}−, (..., n, D).
        temperature: τ > 0.
    Returns:
        Scalar, the mean over anchors and photos.
    """
    n = positives.shape[-2]
    scores = cosine_scores(images, torch.cat([positives, negatives], dim=-2), temperature)  # (..., n, 2n)
    return -scores.log_softmax(dim=-1)[..., :n].mean()


def intra_modal(positives: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Eq. 9 and 11: within one modality, {·}+ and {·}− are two classes; each member seeks its own class.

    L = mean over u in {·}± of  −1/|P(u)| Σ_{p in P(u)} log( exp S(u, p) / Σ_{a in {·}± \\ u} exp S(u, a) ),
    where P(u) is the rest of u's class. u itself is left out of the denominator (Khosla's A(i)): its similarity is
    the constant 1/τ.

    Args:
        positives: (..., n, D) with n ≥ 2; leading dimensions are independent anchors.
        negatives: (..., n, D).
        temperature: τ > 0.
    Raises:
        ValueError: a class has fewer than two members, so that P(u) is empty.
    """
    n, m = positives.shape[-2], negatives.shape[-2]
    if n < 2 or m < 2:
        raise ValueError(f"each set needs at least 2 members, got {n} and {m}")
    members = torch.cat([positives, negatives], dim=-2)
    scores = cosine_scores(members, members, temperature)  # (..., n+m, n+m)
    itself = torch.eye(n + m, dtype=torch.bool, device=scores.device)
    log_share = scores.masked_fill(itself, -torch.inf).log_softmax(dim=-1)
    of_class = torch.arange(n + m, device=scores.device) < n
    partner = (of_class[:, None] == of_class[None, :]) & ~itself
    per_member = -log_share.masked_fill(~partner, 0.0).sum(dim=-1) / partner.sum(dim=-1)
    return per_member.mean()


class ContrastiveTerms(NamedTuple):
    """The three terms of Eq. 12."""

    inter_modal: Tensor
    intra_image: Tensor
    intra_music: Tensor


def contrastive(
    image_positives: Tensor,
    image_negatives: Tensor,
    music_positives: Tensor,
    music_negatives: Tensor,
    temperature: float,
) -> ContrastiveTerms:
    """The terms of Eq. 12, L_c = L_inter + L_intra_x + L_intra_y. With Eq. 3 they make Eq. 13."""
    return ContrastiveTerms(
        inter_modal(image_positives, music_positives, music_negatives, temperature),
        intra_modal(image_positives, image_negatives, temperature),
        intra_modal(music_positives, music_negatives, temperature),
    )


def emotion_shares(va: Tensor, others: Tensor, sigma: float, skip: Tensor | None = None) -> Tensor:
    """How much of each item's attention each other item deserves: a Gaussian of their distance in the plane.

    q_ij = exp(−d_ij² / 2σ²) / Σ_k exp(−d_ik² / 2σ²). Where nobody is near, the nearest get it all.

    Args:
        va: labels, (N, 2).
        others: labels, (M, 2).
        sigma: in units of the labels, > 0.
        skip: pairs that do not count, (N, M) bool.
    Returns:
        (N, M), rows sum to 1.
    """
    logits = -torch.cdist(va, others).pow(2) / (2 * sigma**2)
    if skip is not None:
        logits = logits.masked_fill(skip, -torch.inf)
    return logits.softmax(dim=-1)


def soft_contrast(scores: Tensor, shares: Tensor) -> Tensor:
    """Contrast with graded partners: the cross-entropy of softmax(scores) against the wanted shares, mean over rows.

    With one partner per row it is InfoNCE; with shares by distance of labels it is a continuous SupCon.

    Args:
        scores: (N, M); −∞ leaves a pair out.
        shares: (N, M), rows sum to 1, 0 where the score is −∞.
    """
    log_share = scores.log_softmax(dim=-1)
    return -(shares * log_share.masked_fill(shares == 0, 0.0)).sum(dim=-1).mean()


# --- variational autoencoders -----------------------------------------------------------------------------------


def gaussian_kl(
    mu: Tensor, logvar: Tensor, prior_mu: Tensor | float = 0.0, prior_logvar: Tensor | float = 0.0
) -> Tensor:
    """KL( N(mu, e^logvar) ‖ N(prior_mu, e^prior_logvar) ) in nats, per dimension: (B, D) → (B, D).

    Closed form: ½ (logvar_p − logvar + (e^logvar + (mu − mu_p)²) / e^logvar_p − 1).
    """
    prior_mu, prior_logvar = (torch.as_tensor(p, dtype=mu.dtype, device=mu.device) for p in (prior_mu, prior_logvar))
    return 0.5 * (prior_logvar - logvar + (logvar.exp() + (mu - prior_mu) ** 2) * torch.exp(-prior_logvar) - 1.0)


def mixture_log_posterior(z: Tensor, means: Tensor, logvar: Tensor | float) -> Tensor:
    """log q(y | z) under a mixture of K equally likely Gaussians (Music FaderNets, Eq. 4).

    Args:
        z: (B, D).
        means: (K, D).
        logvar: of every component, scalar or (K, D).
    Returns:
        (B, K), each row sums to 1 after ``exp``.
    """
    logvar = torch.as_tensor(logvar, dtype=z.dtype, device=z.device).expand_as(means)
    quadratic = (z[:, None, :] - means) ** 2 * torch.exp(-logvar)  # (B, K, D)
    return (-0.5 * (quadratic + logvar).sum(dim=-1)).log_softmax(dim=-1)


def attribute_regularisation(
    latent: Tensor, attribute: Tensor, *, spread: float = 1.0, absolute: bool = False
) -> Tensor:
    """Make one latent dimension rise with one attribute: tanh(δ (z_i − z_j)) follows sign(a_i − a_j) over all pairs.

    Pati and Lerch use δ = 10 and the absolute error; Music FaderNets uses δ = 1 and the squared error.

    Args:
        latent: the dimension, (B,).
        attribute: any scale, (B,).
        spread: δ > 0.
        absolute: mean absolute error instead of mean squared error.
    """
    difference = torch.tanh(spread * (latent[:, None] - latent[None, :]))
    order = torch.sign(attribute[:, None] - attribute[None, :]).to(difference.dtype)
    return F.l1_loss(difference, order) if absolute else F.mse_loss(difference, order)


def vq_commitment(encoded: Tensor, quantised: Tensor) -> Tensor:
    """‖ z_e(x) − sg[e] ‖², mean over elements: keeps the encoder near its codes (VQ-VAE, Eq. 3, third term)."""
    return F.mse_loss(encoded, quantised.detach())


# --- adversarial autoencoders -----------------------------------------------------------------------------------


def adversarial_discriminator(real: Tensor, painted: Tensor) -> Tensor:
    """Logistic loss of the discriminator on its logits, (B,) each: mean softplus(−real) + mean softplus(painted)."""
    return F.softplus(-real).mean() + F.softplus(painted).mean()


def adversarial_generator(painted: Tensor) -> Tensor:
    """Non-saturating loss of the generator: mean softplus(−painted) of the discriminator's logits, (B,)."""
    return F.softplus(-painted).mean()


def r1_penalty(real: Tensor, images: Tensor) -> Tensor:
    """R1: mean over pictures of ‖∇_x D(x)‖² on real ones (Mescheder et al. 2018). The factor γ/2 is the caller's.

    Args:
        real: logits of ``images``, (B,).
        images: (B, ...), with gradients switched on before the logits were computed.
    """
    (gradient,) = torch.autograd.grad(real.sum(), images, create_graph=True)
    return gradient.flatten(1).pow(2).sum(dim=1).mean()
