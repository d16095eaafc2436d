"""Long work tells how far it is, and ends where nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from eimg_core import progress
from eimg_core.emotion import VA
from eimg_core.midi.request import Request
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.progress import step_done, steps_told


class EnoughError(Exception):
    pass


def play_tvae() -> None:
    torch.manual_seed(0)
    model = MUSIC_AUTOENCODERS["tvae"](MUSIC_AUTOENCODERS["tvae"].Config.tiny()).eval()
    latents = torch.randn(2, model.latent_dim)
    model.compose(latents, Request(10.0, torch.full((2, 1, 2), 6.0)), torch.Generator().manual_seed(0))


def play_fnt() -> None:
    torch.manual_seed(0)
    model = MUSIC_AUTOENCODERS["fnt"](MUSIC_AUTOENCODERS["fnt"].Config.tiny()).eval()
    chance = torch.Generator().manual_seed(0)
    model.generate(torch.randn(2, model.latent_dim), seconds=6.0, generator=chance, va=[VA(6, 6)] * 2)


def told(play: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Shares of all steps, each of them told."""
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    shares: list[float] = []
    with torch.no_grad(), steps_told(lambda stage, done: shares.append(done), "composing", since=0.4):
        play()
    return shares


@pytest.mark.parametrize("play", [play_tvae, play_fnt])
def test_a_decoder_tells_how_far_it_is(play: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    shares = told(play, monkeypatch)
    assert len(shares) > 8
    assert shares == sorted(shares), "it never goes back"
    assert 0.4 <= shares[0] < 0.5 < 0.75 < shares[-1] <= 1.0


@pytest.mark.parametrize("play", [play_tvae, play_fnt])
def test_a_decoder_ends_in_the_middle_when_nobody_waits(
    play: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = len(told(play, monkeypatch))
    steps = 0

    def enough(stage: str, done: float) -> None:
        nonlocal steps
        steps += 1
        if steps == whole // 2:
            raise EnoughError

    with torch.no_grad(), pytest.raises(EnoughError), steps_told(enough, "composing"):
        play()
    assert steps == whole // 2


def test_steps_are_told_now_and_then_and_only_inside_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    heard: list[tuple[str, float]] = []
    step_done(lambda: 0.5)  # nobody listens
    with steps_told(lambda *one: heard.append(one), "composing", since=0.2):
        for step in range(100):
            now += 0.0625
            step_done(lambda share=step / 100: share)
    step_done(lambda: 1.0)
    assert [stage for stage, _ in heard] == ["composing"] * 25
    assert heard[0][1] == pytest.approx(0.2 + 0.8 * 0.03)
    with steps_told(None, "composing"):
        now += 1
        step_done(lambda: 0.5)  # nobody is there to be told
