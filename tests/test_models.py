"""The contract that every registered autoencoder keeps, and the mathematics of each."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from eimg_core.bridge import BRIDGES, EmotionData, PaperBridge, SoftBridge
from eimg_core.bridge.eimg2 import LabelledBatch
from eimg_core.bridge.paper import SetBatch
from eimg_core.checkpoints import load_model, save_model
from eimg_core.emotion import VA, distance, within_music
from eimg_core.image_ae import IMAGE_AUTOENCODERS
from eimg_core.image_ae.vqvae import VectorQuantiser
from eimg_core.layers import PackedLinear, pack_linears
from eimg_core.midi import codec
from eimg_core.midi.codec import PITCH
from eimg_core.music_ae import MUSIC_AUTOENCODERS
from eimg_core.music_ae.decoder import NoteDecoder, NoteEmbedding, Sampling, draw, token_cross_entropy
from eimg_core.music_ae.fnt import FaderNet, FaderNetConfig, arousal_class
from eimg_core.music_ae.step_grammar import StepGrammar
from eimg_core.music_ae.tvae import TransformerVAE, TransformerVAEConfig
from eimg_core.trainable import Trainable
from tests.tiny import music_batch


def image_batch(model, size: int = 4):
    return torch.rand(size, 3, model.image_size, model.image_size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def set_batch(model: PaperBridge) -> SetBatch:
    torch.manual_seed(2)
    near_x, near_y = torch.randn(model.config.image_dim), torch.randn(model.config.music_dim)
    noise = lambda d: 0.3 * torch.randn(3, 4, d)  # noqa: E731
    return SetBatch(
        near_x + noise(model.config.image_dim),
        noise(model.config.image_dim),
        near_y + noise(model.config.music_dim),
        noise(model.config.music_dim),
    )


def labelled(count: int, width: int, seed: int = 0) -> EmotionData:
    """Features that follow their labels."""
    rng = torch.Generator().manual_seed(seed)
    va = torch.rand(count, 2, generator=rng) * 8 + 1
    mixing = torch.randn(2, width, generator=torch.Generator().manual_seed(width))
    return EmotionData((va - 5) @ mixing + 0.1 * torch.randn(count, width, generator=rng), va)


def labelled_batch(model: SoftBridge) -> LabelledBatch:
    images, music = labelled(8, model.config.image_dim), labelled(16, model.config.music_dim)
    model.prepare(images, music)
    return LabelledBatch(*images, *music)


BRIDGE_BATCHES = {"paper": set_batch, "eimg2": labelled_batch}


def models() -> list:
    cases = [pytest.param(IMAGE_AUTOENCODERS, key, image_batch, id=key) for key in IMAGE_AUTOENCODERS]
    cases += [pytest.param(MUSIC_AUTOENCODERS, key, music_batch, id=key) for key in MUSIC_AUTOENCODERS]
    return [*cases, *(pytest.param(BRIDGES, key, BRIDGE_BATCHES[key], id=key) for key in BRIDGES)]


def make(registry, key) -> Trainable:
    torch.manual_seed(0)
    return registry[key](registry[key].Config.tiny())


@pytest.mark.parametrize(("registry", "key", "batch_of"), models())
class TestEveryTrainable:
    def test_every_parameter_of_an_objective_gets_a_gradient(self, registry, key, batch_of):
        model = make(registry, key).train()
        batch, groups = batch_of(model), model.parameter_groups()
        in_groups = {id(p) for modules in groups.values() for m in modules for p in m.parameters()}
        assert in_groups == {id(p) for p in model.parameters() if p.requires_grad}
        for objective in model.objectives():
            model.zero_grad(set_to_none=True)
            objective.loss(batch, 10_000).total.backward()
            for group in objective.groups:
                for module in groups[group]:
                    for name, parameter in module.named_parameters():
                        assert parameter.grad is not None, f"{objective.name} does not reach {group}.{name}"
                        assert parameter.grad.isfinite().all(), name

    def test_one_batch_overfits(self, registry, key, batch_of):
        model = make(registry, key).train()
        batch = batch_of(model)
        optimizers = {
            name: torch.optim.Adam([p for m in modules for p in m.parameters()], 5e-3)
            for name, modules in model.parameter_groups().items()
        }
        first = {}
        for step in range(80):
            for objective in model.objectives():
                model.zero_grad(set_to_none=True)
                total = objective.loss(batch, step).total
                first.setdefault(objective.name, float(total.detach()))
                total.backward()
                for group in objective.groups:
                    optimizers[group].step()
            model.after_step(step)
        settling = [objective for objective in model.objectives() if not objective.adversarial]
        assert settling
        for objective in settling:
            assert float(objective.loss(batch, 80).total.detach()) < 0.8 * first[objective.name], objective.name

    def test_save_and_load_are_equal(self, registry, key, batch_of, tmp_path):
        model = make(registry, key).half().float().eval()  # shipped weights are float16
        save_model(tmp_path / "kind" / key, model, {"key": key})
        again, card = load_model(tmp_path / "kind" / key, registry)
        assert card["key"] == key
        assert not again.training
        for (name, a), (other, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
            assert name == other
            assert torch.equal(a, b), name


def test_matrices_of_eight_bits_take_half_the_bytes_and_are_as_near_as_rounding_allows(tmp_path):
    model = TransformerVAE(TransformerVAEConfig(layers=1, plan_layers=1, encoder_layers=1)).eval()
    for folder, eight_bits in (("half", False), ("whole", True)):
        save_model(tmp_path / "kind" / folder, model, {"key": "tvae"}, eight_bits=eight_bits)
    half, whole = ((tmp_path / "kind" / name / "weights.safetensors").stat().st_size for name in ("half", "whole"))
    assert whole < 0.55 * half
    again, _ = load_model(tmp_path / "kind" / "whole", {"tvae": TransformerVAE})
    assert again.state_dict().keys() == model.state_dict().keys()
    for (name, a), b in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        if a.is_floating_point():
            largest = a.flatten(1).abs().amax(dim=1) if a.dim() > 1 else a.abs().amax()
            apart = (a - b).flatten(1).abs().amax(dim=1) if a.dim() > 1 else (a - b).abs().amax()
            assert bool((apart <= 0.51 * largest / 127 + 1e-3 * largest).all()), name


@pytest.mark.parametrize("key", IMAGE_AUTOENCODERS)
def test_image_autoencoders_keep_their_contract(key):
    model = make(IMAGE_AUTOENCODERS, key).eval()
    images = image_batch(model, 3)
    z = model.encode(images)
    assert z.shape == (3, model.latent_dim)
    assert torch.equal(z, model.encode(images))
    assert torch.allclose(z[:1], model.encode(images[:1]), atol=1e-5)  # alone as in company
    pictures = model.decode(z)
    assert pictures.shape == images.shape
    assert -1 <= pictures.min() <= pictures.max() <= 1


@pytest.mark.parametrize("key", MUSIC_AUTOENCODERS)
def test_music_autoencoders_keep_their_contract(key):
    model = make(MUSIC_AUTOENCODERS, key).eval()
    batch = music_batch(model, 3)
    z = model.encode(batch)
    assert z.shape == (3, model.latent_dim)
    assert torch.equal(z, model.encode(batch))
    assert torch.allclose(z[:1], model.encode(music_batch(model, 1)), atol=1e-5)  # padding does not leak

    def play(seed: int):
        va = [VA(5, 5)] * 3
        return model.generate(z.detach(), seconds=6.0, generator=torch.Generator().manual_seed(seed), va=va)

    pieces = play(0)
    assert len(pieces) == 3
    assert all(piece.notes and piece.notes[-1].start_s < 6.0 for piece in pieces)
    assert play(0) == pieces
    assert play(1) != pieces


# --- VQ-VAE -----------------------------------------------------------------------------------------------------


def test_quantiser_takes_the_nearest_code():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(6, 3)
    encoded = torch.randn(2, 3, 2, 2)
    codes, indices = quantiser(encoded)
    for b in range(2):
        for i in range(2):
            for j in range(2):
                distances = [float((encoded[b, :, i, j] - code).pow(2).sum()) for code in quantiser.codebook]
                assert indices[b, i, j] == distances.index(min(distances))
                assert torch.equal(codes[b, :, i, j], quantiser.codebook[indices[b, i, j]])


def test_codes_move_to_the_mean_of_their_cells_and_unused_ones_are_revived():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(3, 2)
    quantiser.codebook.copy_(torch.tensor([[0.0, 0.0], [10.0, 10.0], [99.0, -99.0]]))
    quantiser.sums.copy_(quantiser.codebook)
    quantiser.usage.fill_(1.0)
    cells = torch.tensor([[1.0, 0.0], [0.0, 1.0], [11.0, 10.0]]).T.view(1, 2, 3, 1)
    for _ in range(200):
        quantiser.update(cells, quantiser(cells).indices, decay=0.9, revive_below=0.01)
    rebuilt = quantiser(cells).codes
    assert (rebuilt - cells).pow(2).mean() < 0.2
    assert quantiser.codebook.abs().max() < 12  # the code far away was moved onto a cell


# --- FaderNets --------------------------------------------------------------------------------------------------


def test_arousal_decides_the_class_and_valence_does_not():
    va = torch.tensor([[9.0, 4.99], [1.0, 5.0], [5.0, 1.0], [2.0, 8.3]])
    assert arousal_class(va).tolist() == [0, 1, 0, 1]


def test_padding_does_not_count_in_the_token_loss():
    model = make(MUSIC_AUTOENCODERS, "fnt").eval()
    batch = music_batch(model, 2)
    logits = model.decoder(batch.steps, batch.tempo_class, model.encode(batch))
    each = [
        token_cross_entropy(
            [field[i : i + 1, : int(n)] for field in logits], batch.steps[i : i + 1, : int(n)], torch.ones(1, int(n))
        )
        for i, n in enumerate(batch.lengths)
    ]
    lengths = batch.lengths.tolist()
    expected = sum(float(e) * n for e, n in zip(each, lengths, strict=True)) / sum(lengths)
    assert float(token_cross_entropy(logits, batch.steps, batch.mask)) == pytest.approx(expected, rel=1e-5)


def test_a_step_never_sees_itself_or_the_future():
    torch.manual_seed(0)
    config = FaderNetConfig.tiny()
    decoder = NoteDecoder(
        NoteEmbedding(config.field_widths, config.phase_width), 5, codec.FOLDED, 8, dropout=0.0
    ).eval()
    steps = torch.stack([torch.randint(size, (1, 6)) for size in codec.FIELD_SIZES], dim=-1)
    other = steps.clone()
    other[:, 3, PITCH] = (other[:, 3, PITCH] + 7) % codec.REST_PITCH
    tempo, condition = torch.tensor([3]), torch.randn(1, 5)
    a, b = decoder(steps, tempo, condition), decoder(other, tempo, condition)
    for field in range(4):
        assert torch.allclose(a[field][:, :3], b[field][:, :3])
    assert torch.allclose(a.pitch[:, 3], b.pitch[:, 3])  # pitch is predicted before it is seen
    assert not torch.allclose(a.duration[:, 3], b.duration[:, 3])  # duration is given the pitch
    assert not torch.allclose(a.shift[:, 4], b.shift[:, 4])


def test_playing_draws_from_the_trained_distribution(monkeypatch):
    """At temperature 0 the played steps are the teacher-forced argmax: cached playing equals training."""
    drawn = []
    monkeypatch.setattr(StepGrammar, "scores", lambda grammar, steps: drawn.append(steps) or [])
    model: FaderNet = make(MUSIC_AUTOENCODERS, "fnt").eval()
    condition = torch.randn(1, model.latent_dim, generator=torch.Generator().manual_seed(3))
    model.decoder.play(
        condition,
        torch.tensor([0]),
        seconds=5.0,
        sampling=[Sampling(0.0, 0.5)] * 4,
        generator=torch.Generator().manual_seed(0),
    )
    tempo = draw(model.decoder.tempo(condition), Sampling(0.7, 0.9), torch.Generator().manual_seed(0))
    logits = model.decoder(drawn[0], tempo, condition)
    # The grammar may forbid the argmax of a shift or a pitch; the last step only says that the piece is over.
    velocity, duration = logits.velocity.argmax(-1), StepGrammar.value(logits.duration.argmax(-1))
    assert drawn[0].shape[1] > 5
    assert torch.equal(velocity[:, :-1], drawn[0][:, :-1, codec.VELOCITY])
    assert torch.equal(duration[:, :-1], drawn[0][:, :-1, codec.DURATION])


# --- the bridge -------------------------------------------------------------------------------------------------


def bridge(key: str = "paper"):
    return make(BRIDGES, key)


def test_the_way_back_reaches_negative_targets_and_raw_units():
    model = bridge()
    v_y = torch.randn(16, 10) * torch.linspace(0.1, 50, 10) - 30
    va = torch.rand(16, 2) * 8 + 1
    model.prepare(EmotionData(torch.randn(16, 12), va), EmotionData(v_y, va))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(400):
        optimizer.zero_grad()
        ((model.to_music(model.embed_music(v_y)) - v_y) / model.music_std).pow(2).mean().backward()
        optimizer.step()
    rebuilt = model.to_music(model.embed_music(v_y))
    assert ((rebuilt - v_y) / v_y.std(0)).pow(2).mean() < 0.1
    assert rebuilt.min() < -30


@pytest.mark.parametrize(("key", "rows"), [("paper", 3 * (4 + 4)), ("eimg2", 8)])
def test_sets_go_through_the_projector_together(key, rows):
    """Batch normalisation of each set alone would erase the difference between the sets."""
    model = bridge(key).train()
    batch = BRIDGE_BATCHES[key](model)
    seen = []
    model.image_projector.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    model.loss(batch, 0)
    assert seen == [rows]


def test_the_emotion_map_finds_the_clips_of_an_emotion():
    model = bridge().eval()
    v_y = torch.randn(2, 10)
    va = torch.tensor([[2.0, 2.0], [8.0, 3.0]])
    model.draw_emotion_map(EmotionData(v_y, va))
    z = torch.nn.functional.normalize(model.embed_music(v_y), dim=-1)
    for point, direction in zip(va, z, strict=True):
        assert torch.allclose(model.place_of(VA(*point.tolist())), direction, atol=1e-4)
    between = model.place_of(VA(8.0, 9.0))
    assert torch.allclose(between, z[1], atol=0.02)  # no clip is near: the nearest one counts


def test_the_gap_brings_photos_to_the_music_of_their_emotions():
    model = bridge().eval()
    v_x, v_y, va = torch.randn(20, 12), torch.randn(40, 10), torch.rand(40, 2) * 8 + 1
    model.draw_emotion_map(EmotionData(v_y, va))
    apart = model.place_images(v_x).mean(0)
    model.close_gap(EmotionData(v_x, va[:20]))
    wanted = torch.stack([model.place_of(VA(*point)) for point in va[:20].tolist()]).mean(0)
    assert not torch.allclose(apart, wanted, atol=0.05)
    assert torch.allclose(model.place_images(v_x).mean(0), wanted, atol=1e-5)


# --- eimg2 ------------------------------------------------------------------------------------------------------


def test_the_frozen_head_reads_emotion_and_is_not_trained():
    model = bridge("eimg2")
    music = labelled(200, 10)
    model.prepare(labelled(20, 12), music)
    read = model.standard_music(music.latents) @ model.head_weights + model.head_centre
    assert float((read - music.va).norm(dim=1).mean()) < 1.0  # the ridge of λ = 100 shrinks, the order stays
    assert torch.corrcoef(torch.stack([read[:, 0], music.va[:, 0]]))[0, 1] > 0.95
    assert "head_weights" not in dict(model.named_parameters())


@pytest.mark.parametrize(("width", "noise"), [(128, 0.754), (512, 1.508), (3968, 4.0)])
def test_few_numbers_of_a_photo_are_blurred_less(width, noise):
    assert SoftBridge(replace(SoftBridge.Config(), image_dim=width)).image_noise == pytest.approx(noise, abs=1e-3)


def test_photos_learn_the_way_back_to_their_own_emotion():
    torch.manual_seed(0)
    model = SoftBridge(replace(SoftBridge.Config.tiny(), image_noise=0.1, head_penalty=1.0))
    images, music = labelled(40, 12), labelled(80, 10)
    model.prepare(images, music)

    def distance() -> float:
        z = model.eval().embed_images(images.latents)
        read = model.to_standard_music(z) @ model.head_weights + model.head_centre
        return float((read - images.va).norm(dim=1).mean().detach())

    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    before = distance()
    for step in range(150):
        optimizer.zero_grad()
        model.train().loss(LabelledBatch(*images, *music), step).total.backward()
        optimizer.step()
    assert distance() < 0.5 * before


def test_what_an_emotion_leaves_open_is_drawn_with_the_spread_of_the_clips():
    model = bridge("eimg2").eval()
    images, music = labelled(20, 12), labelled(60, 10, seed=3)
    model.prepare(images, music)
    model.survey(images, music)
    explained = model.to_music(torch.stack([model.place_of(VA(*va)) for va in music.va.tolist()]))
    wanted = (music.latents - explained).T @ (music.latents - explained) / 60
    still = torch.zeros(20_000, 10)
    drawn = (model.vary(still, torch.Generator().manual_seed(0)) - still) / model.config.liveliness
    assert torch.allclose(drawn.T @ drawn / 20_000, wanted, atol=0.05 * float(wanted.diagonal().max()))
    again = model.vary(still, torch.Generator().manual_seed(0))
    assert torch.equal(again, model.vary(still, torch.Generator().manual_seed(0)))
    assert torch.equal(bridge().vary(still, torch.Generator().manual_seed(0)), still)  # the paper plays the mean


def test_a_request_is_corrected_by_what_was_heard():
    """A player that shrinks the plane and lifts it must be asked for more, so that the wish itself is heard."""
    model = bridge("eimg2").eval()
    images, music = labelled(20, 12), labelled(60, 10, seed=3)
    model.prepare(images, music)
    model.survey(images, music)
    plain = bridge("paper").eval()  # asks for what is wished
    plain.load_state_dict(model.state_dict(), strict=False)
    assert torch.allclose(model.place_of(VA(4, 6)), plain.place_of(VA(4, 6)))  # nothing is known yet
    asked = labelled(50, 3).va
    model.correct(asked, 0.5 * asked + torch.tensor([3.0, 2.5]))
    assert torch.allclose(model.place_of(VA(6.0, 5.0)), plain.place_of(VA(6.0, 5.0)), atol=1e-3)  # 6 → 6, 5 → 5 already
    assert torch.allclose(model.place_of(VA(6.5, 4.5)), plain.place_of(VA(7.0, 4.0)), atol=1e-3)
    far = model.decoder_target(VA(9.0, 1.0))  # (12, -3): no music lies there
    assert distance(within_music(far), far) < 1e-9
    assert far.valence > 6.5
    assert far.arousal < 4.5


def a_few_linears() -> torch.nn.Module:
    """With weights that float16 can hold, as those that are shipped."""
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Linear(24, 40, bias=False), torch.nn.GELU(), torch.nn.Linear(40, 7))
    model = torch.nn.ModuleDict({"inner": inner, "last": torch.nn.Linear(7, 3)})
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half().float())
    return model


def test_packed_linear_layers_give_what_the_plain_ones_give():
    model, x = a_few_linears(), torch.randn(5, 2, 24)
    plain = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    sizes = [(layer.in_features, layer.out_features) for layer in plain]
    expected = model["last"](model["inner"](x))
    pack_linears(model)
    if torch.backends.quantized.engine in ("x86", "fbgemm"):
        packed = [layer for layer in model.modules() if isinstance(layer, PackedLinear)]
        assert [(layer.in_features, layer.out_features) for layer in packed] == sizes
        assert not any(type(layer) is torch.nn.Linear for layer in model.modules())
    assert torch.allclose(model["last"](model["inner"](x)), expected, atol=1e-5)
    pack_linears(model)  # once more changes nothing
    assert torch.allclose(model["last"](model["inner"](x)), expected, atol=1e-5)


def test_a_processor_without_packed_layers_keeps_the_plain_ones(monkeypatch):
    monkeypatch.setattr("eimg_core.layers._PACKING", ())
    model = a_few_linears()
    pack_linears(model)
    assert sum(type(layer) is torch.nn.Linear for layer in model.modules()) == 3
