"""Language models, their sizes, and drawing tokens from them."""

import itertools
from dataclasses import replace

import pytest
import torch

from tests.conformance import tensors_of
from tests.tolerances import assert_close
from titans_seq.blocks import LMMConfig
from titans_seq.config import from_dict, to_dict
from titans_seq.layers import NeuralMemoryConfig
from titans_seq.memory import preset
from titans_seq.models import (
    CausalLM,
    CausalLMConfig,
    Sampling,
    count_parameters,
    draw,
    generate,
    language_model,
    map_state,
    sized,
)
from titans_seq.models.presets import SIZES, VARIANTS

TINY = [f"tiny-{variant}" for variant in VARIANTS]


def tiny(name: str, dtype: torch.dtype = torch.float32) -> CausalLM:
    torch.manual_seed(0)
    return CausalLM(language_model(name, vocabulary=50)).to(dtype).eval()


# Every variant and every size in half of the pairs; the others are slow.
NAMED = [
    pytest.param(variant, size, marks=pytest.mark.slow if (i + j) % 2 else [])
    for (i, variant), (j, size) in itertools.product(
        enumerate(VARIANTS), enumerate(size for size in SIZES if size != "tiny")
    )
]


@pytest.mark.parametrize(("blocks", "depth"), [(1, 5), (2, 6), (2, 5), (2, 4)])
def test_parameters_are_counted_as_they_are(blocks: int, depth: int) -> None:
    kinds = (language_model("tiny-lmm").blocks[0], language_model("tiny-transformer").blocks[0])
    config = replace(language_model("tiny-lmm", vocabulary=50), blocks=kinds[:blocks], depth=depth)
    with torch.device("meta"):
        assert count_parameters(config) == sum(parameter.numel() for parameter in CausalLM(config).parameters())


@pytest.mark.parametrize(("variant", "size"), NAMED)
def test_sizes_have_the_parameters_of_their_names(variant: str, size: str) -> None:
    number = float(size[:-1]) * {"m": 1e6, "b": 1e9}[size[-1]]
    assert count_parameters(language_model(f"{variant}-{size}")) == pytest.approx(number, rel=0.03)


@pytest.mark.parametrize("name", ["mac-170m", "tiny-lmm", "1.3b", "mal-400m"])
def test_a_model_survives_its_file(name: str) -> None:
    config = language_model(name)
    assert from_dict(to_dict(config), CausalLMConfig) == config


def test_names_go_both_ways_and_a_size_alone_is_macs() -> None:
    assert language_model("tiny-mac") == language_model("mac-tiny")
    assert language_model("170m") == language_model("mac-170m")
    for wrong in ("170", "mac", "mac-mag-tiny", "tiny-340m", "tiny-mamba"):
        with pytest.raises(ValueError, match=f"unknown language model '{wrong}': expected VARIANT-SIZE"):
            language_model(wrong)


def test_a_width_for_every_budget_or_the_reason() -> None:
    config = language_model("tiny-mac", 65)
    assert count_parameters(sized(config, 1_000_000)) == pytest.approx(1_000_000, rel=0.01)
    with pytest.raises(ValueError, match="without any feed-forward, more than the 100 asked for"):
        sized(config, 100)


@pytest.mark.parametrize("name", TINY)
def test_streaming_is_one_pass_around_every_border(name: str) -> None:
    """Chunks of 16; segments and windows of 64."""
    model, ids = tiny(name), torch.randint(50, (2, 70), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole, _ = model(ids)
        for cut in (1, 15, 16, 63, 64, 66):
            first, state = model(ids[:, :cut])
            second, state = model(ids[:, cut : cut + 1], state)
            rest, _ = model(ids[:, cut + 1 :], state)
            assert_close(torch.cat([first, second, rest], 1), whole, 1e-5, f"cut before token {cut}")


@pytest.mark.parametrize("name", TINY)
@torch.no_grad()
def test_no_future(name: str) -> None:
    model, ids = tiny(name, torch.float64), torch.randint(50, (1, 70), generator=torch.Generator().manual_seed(1))
    logits, _ = model(ids)
    for t in (1, 16, 40, 64, 69):
        changed, _ = model(torch.cat([ids[:, :t], (ids[:, t:] + 1) % 50], 1))
        assert torch.equal(changed[:, :t], logits[:, :t])


@pytest.mark.parametrize("name", [name for name in TINY if name != "tiny-transformer"])
def test_the_state_does_not_grow(name: str) -> None:
    model, sizes, state = tiny(name), [], None
    for _ in range(4):
        with torch.inference_mode():
            _, state = model(torch.randint(50, (1, 64)), state)
        sizes.append(sum(x.numel() for x in tensors_of(state).values()))
    assert sizes[1:] == [sizes[1]] * 3


def test_map_state_reaches_every_tensor() -> None:
    for name in TINY:
        _, state = tiny(name)(torch.randint(50, (2, 20)))
        assert any(x.requires_grad for x in tensors_of(state).values())
        detached = map_state(state, torch.Tensor.detach)
        assert not any(x.requires_grad for x in tensors_of(detached).values())
        assert list(tensors_of(detached)) == list(tensors_of(state))
    assert map_state(None, torch.Tensor.detach) is None


def test_ids_of_the_wrong_kind_are_refused() -> None:
    model = tiny("tiny-lmm")
    wrong_kinds = (torch.zeros(1, 3, dtype=kind) for kind in (torch.bool, torch.int8, torch.float32))
    wrong_shapes = (torch.zeros(shape, dtype=torch.long) for shape in ((3,), (1, 0), (0, 3)))
    for wrong in (*wrong_kinds, *wrong_shapes):
        with pytest.raises(ValueError, match="expected token ids"):
            model(wrong)


def test_borders_and_masks_may_be_lists() -> None:
    model, ids = tiny("tiny-lmm"), torch.zeros(1, 5, dtype=torch.long)
    for given in ({"cu_seqlens": [0, 2, 5]}, {"attention_mask": [[1, 1, 1, 1, 0]]}):
        tensors = {name: torch.tensor(value) for name, value in given.items()}
        torch.testing.assert_close(model(ids, **given)[0], model(ids, **tensors)[0])


def test_an_untied_head_is_a_matrix_of_its_own() -> None:
    config = CausalLMConfig(vocabulary=7, dim=8, blocks=(LMMConfig(),), depth=1, tied=False)
    model = CausalLM(config)
    assert model.head is not None
    assert model(torch.tensor([[1, 2]]))[0].shape == (1, 2, 7)


LOGITS = torch.log(torch.tensor([[0.1, 0.4, 0.3, 0.2]]))


@pytest.mark.parametrize(
    ("sampling", "possible"),
    [
        (Sampling(), {0, 1, 2, 3}),
        (Sampling(temperature=0), {1}),
        (Sampling(temperature=1e-40), {1}),
        (Sampling(top_k=2), {1, 2}),
        (Sampling(top_k=9), {0, 1, 2, 3}),
        (Sampling(top_p=0.4), {1}),
        (Sampling(top_p=0.41), {1, 2}),
        (Sampling(top_p=0.75), {1, 2, 3}),
        (Sampling(top_p=1e-9), {1}),
        (Sampling(top_k=3, top_p=0.5), {1, 2}),
    ],
)
def test_only_tokens_that_may_be_drawn_are(sampling: Sampling, possible: set[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    assert set(draw(LOGITS.expand(500, -1), sampling, generator).tolist()) == possible


def test_draws_follow_the_probabilities() -> None:
    drawn = draw(LOGITS.expand(20_000, -1), Sampling(), torch.Generator().manual_seed(0))
    assert_close(drawn.bincount() / 20_000, LOGITS[0].exp(), 0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": -1}, "temperature must be at least 0, got -1"),
        ({"temperature": float("nan")}, "temperature must be at least 0, got nan"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"top_p": 0}, r"top_p must lie in \(0, 1\], got 0"),
    ],
)
def test_sampling_messages(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**changes)


@pytest.mark.parametrize("name", TINY)
def test_generation_is_the_model_read_again_from_the_start(name: str) -> None:
    model, prompt = tiny(name, torch.float64), torch.randint(50, (1, 61), generator=torch.Generator().manual_seed(2))
    drawn = [int(token) for token, _ in itertools.islice(generate(model, prompt, sampling=Sampling(0)), 8)]
    logits, _ = model(torch.cat([prompt, torch.tensor([drawn])], 1))
    assert logits[0, prompt.shape[1] - 1 : -1].argmax(-1).tolist() == drawn


def test_generation_goes_on_from_a_state_and_repeats_under_a_seed() -> None:
    model, prompt = tiny("tiny-mag"), torch.randint(50, (2, 20), generator=torch.Generator().manual_seed(2))
    _, read = model(prompt[:, :12])
    runs = []
    for start, rest in ((None, prompt), (read, prompt[:, 12:]), (read, prompt[:, 12:])):
        tokens = generate(model, rest, start, generator=torch.Generator().manual_seed(3))
        runs.append([token.tolist() for token, _ in itertools.islice(tokens, 6)])
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize("name", ["memora", "lact", "moneta"])
def test_models_of_any_rule_are_counted_without_being_made(name: str) -> None:
    memory = NeuralMemoryConfig(rule=preset(name))
    config = CausalLMConfig(vocabulary=10, dim=16, blocks=(LMMConfig(memory),), depth=1)
    assert count_parameters(config) == sum(parameter.numel() for parameter in CausalLM(config).parameters())


@pytest.mark.parametrize("tied", [True, False])
def test_a_filled_up_vocabulary_has_no_logits_of_its_own(tied: bool) -> None:
    config = CausalLMConfig(vocabulary=7, dim=8, blocks=(LMMConfig(),), depth=1, tied=tied, vocabulary_multiple=16)
    model = CausalLM(config)
    assert model.embedding.weight.shape == (16, 8)
    assert model(torch.tensor([[1, 2]]))[0].shape == (1, 2, 7)
    with pytest.raises(ValueError, match="vocabulary_multiple must be at least 1, got 0"):
        replace(config, vocabulary_multiple=0)


def with_dropout(config: CausalLMConfig, share: float) -> CausalLMConfig:
    return replace(config, blocks=tuple(replace(block, dropout=share) for block in config.blocks))  # type: ignore[type-var]


@pytest.mark.parametrize("name", ["tiny-mac", "tiny-window"])
def test_dropout_leaves_outputs_out_while_training_alone(name: str) -> None:
    config = language_model(name, vocabulary=50)
    dropped = with_dropout(config, 0.5)
    torch.manual_seed(0)
    plain = CausalLM(config)
    model = CausalLM(dropped)
    model.load_state_dict(plain.state_dict())
    ids = torch.randint(50, (1, 9))
    assert torch.equal(model.eval()(ids)[0], plain(ids)[0])
    model.train()
    assert not torch.equal(model(ids)[0], model(ids)[0])
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), got 1"):
        CausalLM(with_dropout(config, 1))


@pytest.mark.parametrize("name", ["tiny-mac", "tiny-mal"])
def test_gradient_checkpointing_changes_no_gradient(name: str) -> None:
    config = language_model(name, vocabulary=50)
    model = CausalLM(with_dropout(replace(config, depth=2), 0.2))
    ids = torch.randint(50, (2, 70), generator=torch.Generator().manual_seed(1))
    gradients, kept = [], []
    for model.backbone.gradient_checkpointing in (False, True):
        sizes: list[int] = []

        def count(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        torch.manual_seed(3)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            first, state = model(ids[:, :40])
            second, _ = model(ids[:, 40:], state)
        kept.append(sum(sizes))
        gradients.append(torch.autograd.grad(torch.cat([first, second], 1).square().mean(), list(model.parameters())))
    for before, after in zip(*gradients, strict=True):
        assert_close(after, before, 1e-5)
    assert kept[1] < kept[0] / 3


@pytest.mark.parametrize("ids", [[[50]], [[-1]], [[3, 60]]])
def test_ids_that_are_no_tokens_are_refused_behind_rows_that_fill_up_too(ids: list[list[int]]) -> None:
    model = CausalLM(replace(language_model("tiny-lmm", vocabulary=50), vocabulary_multiple=64))
    with pytest.raises(ValueError, match=r"token ids must be in \[0, 50\), got"):
        model(torch.tensor(ids))
