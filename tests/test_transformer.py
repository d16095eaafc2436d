"""The Transformer blocks: what attention knows of places, and that playing step by step gives what training gives."""

from __future__ import annotations

import pytest
import torch

from eimg_core.music_ae.transformer import Cache, TransformerStack


@pytest.mark.parametrize("first", [1, 4, 9])
def test_the_cache_gives_what_training_gives_however_much_is_read_at_once(first):
    torch.manual_seed(1)
    stack = TransformerStack(16, 2, 2, 0.0).eval()
    x, condition = torch.randn(2, 9, 16), torch.randn(2, 16)
    index, beats = torch.arange(9.0).expand(2, 9), torch.rand(2, 9).cumsum(dim=1)
    whole = stack(x, stack.places(index, beats), condition=condition, causal=True)
    cache = Cache(2, window=100)
    for here in [slice(0, first), *(slice(t, t + 1) for t in range(first, 9))]:
        places = stack.places(index[:, here], beats[:, here])
        step = stack(x[:, here], places, condition=condition, causal=here.stop - here.start > 1, cache=cache)
        assert torch.allclose(step, whole[:, here], atol=1e-5)


def test_attention_knows_distances_and_no_absolute_place():
    """Moved by a bar, the same music is the same; so a long piece does not drift out of what was learnt."""
    torch.manual_seed(1)
    stack = TransformerStack(16, 2, 2, 0.0).eval()
    x = torch.randn(1, 9, 16)
    index, beats = torch.arange(9.0)[None], torch.rand(1, 9).cumsum(dim=1)
    a = stack(x, stack.places(index, beats), causal=True)
    b = stack(x, stack.places(index + 40, beats + 64), causal=True)
    assert torch.allclose(a, b, atol=1e-4)


@torch.inference_mode()
def test_a_cache_goes_on_with_the_rows_that_are_left():
    torch.manual_seed(0)
    stack = TransformerStack(16, 2, 2, 0.0).eval()
    x, left = torch.randn(3, 6, 16), torch.tensor([0, 2])

    def step(cache: Cache, rows: torch.Tensor, at: int) -> torch.Tensor:
        index = torch.full((len(rows), 1), float(at))
        return stack(x[rows, at : at + 1], stack.places(index, index), cache=cache)

    everyone, alone = Cache(2, 4), Cache(2, 4)
    for at in range(3):
        step(everyone, torch.arange(3), at)
        step(alone, left, at)
    everyone.keep(left)
    for at in range(3, 6):
        assert torch.allclose(step(everyone, left, at), step(alone, left, at), atol=1e-6)
