"""Schedule, parameter groups, averages, and chance: what three golden steps without any of it cannot show."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from localizer_cases import build_cltdr
from test_training_losses import toy_learner
from training_toys import toy_preset, toy_video

from cltdr_cli.data.mixing import mix_stretches
from cltdr_cli.data.samples import Sample
from cltdr_cli.models.layers import ScaledDropPath
from cltdr_cli.training.loader import Loader
from cltdr_cli.training.optim import (
    AveragedWeights,
    average_decay,
    build_optimizer,
    find_decayed,
    initial_share,
    learning_rate,
)
from cltdr_cli.training.randomness import add_noise, drop_channels, epoch_order, seed_network, stream_seed

CONFIG = replace(toy_preset().training, learning_rate=0.1, eta_min=0.01, warmup_epochs=2, epochs=3)


def test_the_rate_rises_from_zero_and_falls_along_a_cosine():
    rates = [learning_rate(CONFIG, step, steps_per_epoch=5) for step in range(25)]
    assert rates[:10] == pytest.approx([0.1 * i / 9 for i in range(10)])
    assert rates[9] == rates[10] == pytest.approx(0.1)
    cosine = [0.01 + 0.5 * 0.09 * (1 + math.cos(math.pi * (i - 10) / 15)) for i in range(10, 25)]
    assert rates[10:] == pytest.approx(cosine)
    assert learning_rate(CONFIG, 25, 5) == pytest.approx(0.01)


def test_without_warmup_the_first_step_runs_at_the_base_rate():
    assert learning_rate(replace(CONFIG, warmup_epochs=0), 0, 5) == pytest.approx(0.1)
    assert learning_rate(replace(CONFIG, warmup_epochs=1), 0, 1) == 0


def test_only_weights_of_convolutions_and_products_decay():
    model = build_cltdr(toy_preset("backbone=gmg").model)
    decayed = find_decayed(model)
    names = dict(model.named_parameters())
    assert decayed <= names.keys()
    for name in names:
        is_norm = "norm" in name
        last = name.rsplit(".", 1)[1]
        expected = not is_norm and last in ("weight", "w1", "w2")
        assert (name in decayed) == expected, name
    assert "class_head.out.conv.weight" in decayed
    assert "encoder.stem.0.local.weight" in decayed
    assert "class_decoupling.above.weight" in decayed


def test_attention_ablation_decays_its_products():
    model = build_cltdr(toy_preset("global_extractor=attention").model)
    assert "encoder.stem.0.mixer.qkv.weight" in find_decayed(model)
    assert "encoder.stem.0.mixer.qkv.bias" not in find_decayed(model)


def test_every_parameter_is_in_one_group():
    model = build_cltdr(toy_preset().model)
    groups = build_optimizer(model, replace(CONFIG, weight_decay=0.05)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.05, 0]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_averages_start_at_the_weights_and_follow_them():
    model = torch.nn.Linear(2, 1)
    average = AveragedWeights(model)
    first = model.weight.detach().clone()
    assert torch.equal(average.state["weight"], first)
    with torch.no_grad():
        model.weight.add_(1)
    assert torch.equal(average.state["weight"], first), "not the same memory"
    average.update(model, 0.9)
    torch.testing.assert_close(average.state["weight"], first + 0.1)
    average.update(model, 0.9)
    torch.testing.assert_close(average.state["weight"], first + 0.19)


def test_the_decay_is_the_published_one_unless_it_is_warmed_up():
    published = replace(CONFIG, ema_decay=0.999)
    assert {average_decay(published, step) for step in (1, 10, 10_000)} == {0.999}
    warm = replace(published, ema_warmup=True)
    assert [average_decay(warm, step) for step in (1, 2, 90)] == pytest.approx([2 / 11, 3 / 12, 0.91])
    assert average_decay(warm, 8989) < average_decay(warm, 8990) == average_decay(warm, 50_000) == 0.999


def test_a_warmed_up_average_forgets_the_first_weights():
    published = replace(CONFIG, ema_decay=0.999)
    assert initial_share(published, 400) == pytest.approx(0.999**400)
    assert initial_share(replace(published, ema_warmup=True), 400) < 1e-12


def test_the_learner_warms_its_average_up():
    shares = []
    for setting in ("ema_warmup=false", "ema_warmup=true"):
        learner, batch = toy_learner(toy_preset(setting, "warmup_epochs=0"), toy_video)
        before = {name: value.clone() for name, value in learner.average.state.items()}
        learner.train_step([batch])
        name = "class_head.out.conv.weight"
        moved = (learner.average.state[name] - before[name]).norm()
        shares.append(float(moved / (learner.model.state_dict()[name] - before[name]).norm()))
    assert shares == pytest.approx([1 - toy_preset().training.ema_decay, 1 - 2 / 11], rel=1e-2)


def test_noise_is_on_the_padding_too_and_a_function_of_the_seed():
    features = torch.zeros(2, 400, 30)
    noisy = add_noise(features, 0.5, (1, 2))
    assert noisy.std().item() == pytest.approx(0.5, rel=0.03)
    assert not torch.equal(noisy[0], noisy[1])
    assert torch.equal(add_noise(features, 0.5, (2, 1))[0], noisy[1])
    assert add_noise(features, 0.0, (1, 2)) is features
    assert not features.any()


def test_noise_changes_the_losses_only_where_it_is_wanted():
    plain, batch = toy_learner(toy_preset("input_noise=0"), toy_video)
    noisy, _ = toy_learner(toy_preset("input_noise=0.5"), toy_video)
    again, _ = toy_learner(toy_preset("input_noise=0.5"), toy_video)
    losses = [learner.train_step([batch]).total_loss for learner in (plain, noisy, again)]
    assert losses[0] != losses[1]
    assert losses[1] == losses[2]


def test_noise_on_the_padding_reaches_the_last_step():
    """Published: noise lies on the padded input, and the first convolution looks one step past the end."""
    model = build_cltdr(toy_preset("droppath=0").model, 0)
    features, mask = torch.zeros(1, 32, 12), torch.arange(32)[None] < 20
    padded = features.clone()
    padded[:, 20:] = 1
    for training in (True, False):
        model.train(training)
        with torch.no_grad():
            zeros, ones = (model(given, mask).class_logits for given in (features, padded))
        assert torch.equal(zeros, ones) != training


def test_drop_path_drops_whole_samples_and_scales_the_rest():
    layer = ScaledDropPath(3, 0.25, initial_scale=1.0).train()
    layer.draws = torch.tensor([0.1, 0.74, 0.76, 0.99])
    out = layer(torch.ones(4, 5, 3))
    assert out[:2].flatten().tolist() == pytest.approx([4 / 3] * 30)
    assert not out[2:].any()
    assert layer.eval()(torch.ones(4, 5, 3)).eq(1).all(), "the scale acts at inference, the chance does not"


def test_drop_path_in_training_is_a_function_of_the_samples_seeds():
    model = build_cltdr(toy_preset("droppath=0.5").model)
    layers = [module for module in model.modules() if isinstance(module, ScaledDropPath)]
    assert len(layers) == 4, "two per branch block, none in the stem"
    seed_network(model, (5, 6))
    first = torch.stack([layer.draws for layer in layers])
    seed_network(model, (6, 5))
    assert torch.equal(torch.stack([layer.draws for layer in layers]), first.flip(1))
    assert len(first.unique()) == first.numel()


def test_seeds_are_unrelated_and_orders_change_by_epoch():
    assert len({stream_seed(1, epoch, video) for epoch in range(20) for video in range(20)}) == 400
    orders = [epoch_order(1, epoch, 30) for epoch in range(3)]
    assert all(sorted(order) == list(range(30)) for order in orders)
    assert orders[0] != orders[1]
    assert orders == [epoch_order(1, epoch, 30) for epoch in range(3)]
    assert np.mean([epoch_order(7, epoch, 10)[0] for epoch in range(300)]) == pytest.approx(4.5, abs=0.6)


def test_dropped_channels_are_zero_throughout_and_a_function_of_the_seed():
    features = torch.ones(2, 5, 1000)
    dropped = drop_channels(features, 0.3, (1, 2))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert torch.equal(dropped[:, 0], dropped[:, 4]), "the same channels in all steps"
    assert (dropped[0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert not torch.equal(dropped[0], dropped[1])
    assert torch.equal(drop_channels(features, 0.3, (2, 1))[0], dropped[1])
    assert drop_channels(features, 0.0, (1, 2)) is features
    assert features.eq(1).all()


def test_dropped_channels_and_mixed_stretches_reach_the_training():
    losses = []
    for setting in ("channel_dropout=0", "channel_dropout=0.5"):
        learner, batch = toy_learner(toy_preset(setting, "input_noise=0"), toy_video)
        losses.append(learner.train_step([batch]).total_loss)
    assert losses[0] != losses[1]


class Videos(list[Sample]):
    """Samples as a loader takes them."""

    def sample(self, index: int) -> Sample:
        return self[index]


def constant_videos(count: int) -> Videos:
    empty, none = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
    return Videos(Sample(np.full((400, 2), index, np.float32), empty, none) for index in range(count))


def test_mixed_stretches_blend_other_videos_in():
    first, other = constant_videos(2)
    rng = np.random.default_rng(0)
    mixed = mix_stretches(first, lambda _: other, 0.5, 8, rng).features
    assert first.features.max() == 0, "the sample itself stays"
    assert 0 < mixed.min(where=mixed > 0, initial=1) < mixed.max() < 1
    assert 0.3 < (mixed[:, 0] > 0).mean() <= 0.5, "half of the steps, less what overlaps"
    stretches = np.flatnonzero(np.diff(mixed[:, 0]))
    assert 20 < len(stretches) < 60, "about 25 stretches of 8 steps"
    assert np.array_equal(mix_stretches(first, lambda _: other, 0.0, 8, rng).features, first.features)


def test_a_loader_mixes_the_same_stretches_each_time_it_is_asked():
    config = replace(CONFIG, batch_size=2, mix_share=0.5, crop_ratio=None)
    loader, plain = (Loader(constant_videos(4), c, 400) for c in (config, replace(config, mix_share=0.0)))
    assert not plain.sample(0, epoch=0).features.any()
    drawn = loader.sample(0, epoch=0).features
    assert drawn.any()
    assert np.array_equal(loader.sample(0, epoch=0).features, drawn)
    assert not np.array_equal(loader.sample(0, epoch=1).features, drawn)
