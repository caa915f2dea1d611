import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genomics.models import Classifier, ClassifierConfig, IdentityBlockConfig, StemConfig
from genomics.models.strands import reverse_complement
from genomics.tokens import KMers, Nucleotides
from tests.genomics.small import classifier, encoder
from titans_seq.blocks import AttentionBlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.config import from_yaml, to_yaml
from titans_seq.errors import UserError
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=4, persistent_tokens=2)
BLOCKS = {
    "preset": encoder().blocks,
    "deep memory": (LMMConfig(MEMORY),),
    "mac": (MACConfig(MEMORY, 2, segment=8),),
    "mag and mal": (MAGConfig(AttentionConfig(2, 6), MEMORY), MALConfig(MEMORY, AttentionConfig(2, 6))),
    "attention": (AttentionBlockConfig(AttentionConfig(2, None)),),
    "identity": (IdentityBlockConfig(),),
}
POOLINGS, DIRECTIONS = ("mean", "mean-max", "last", "attention"), ("forward", "both")
ENCODERS = {
    **{name: {"directions": name} for name in DIRECTIONS},
    **{f"{name}, stem": {"directions": name, "stem": StemConfig((5, 3))} for name in DIRECTIONS},
}
encoders = pytest.mark.parametrize("changes", ENCODERS.values(), ids=ENCODERS)


def pairs(*choices: Sequence[Any]) -> list[Any]:
    """Each encoder with each pooling; the further choices alternate so that each meets every encoder and pooling."""
    found = []
    for (i, name), (j, pooling) in itertools.product(enumerate(ENCODERS), enumerate(POOLINGS)):
        others = [options[(i // (n + 1) + j) % len(options)] for n, options in enumerate(choices)]
        found.append(pytest.param(ENCODERS[name], pooling, *others, id="-".join(map(str, (name, pooling, *others)))))
    return found


EVERY = pairs(("given", "average", "equivariant"))
LENGTHS = torch.tensor([25, 17, 1, 21])


def ids(length: int = 25, rows: int = 4) -> torch.Tensor:
    return torch.randint(5, (rows, length), generator=torch.Generator().manual_seed(3))


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    assert a.isfinite().all()
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("changes", "pooling", "strands"), EVERY)
@torch.no_grad()
def test_neither_padding_nor_batch_mates_change_a_prediction(changes, pooling, strands):
    model, rows = classifier(changes, pooling=pooling, strands=strands), ids()
    together = model(rows, LENGTHS)
    pad = Nucleotides().pad
    for row, length, expected in list(zip(rows, LENGTHS.tolist(), together, strict=True))[1:3]:
        alone = model(row[None, :length], torch.tensor([length]))[0]
        close(alone, expected)
        for filler in (pad, 2):  # whatever stands there
            close(model(F.pad(row[None, :length], (0, 23), value=filler), torch.tensor([length]))[0], expected)
    order = [2, 0, 3, 1]
    close(model(rows[order], LENGTHS[order]), together[order])
    assert (together[0] - together[1]).abs().max() > 1e-3  # or there would be nothing to see


# Each block in the plainest encoder and in the one with everything; in the other two on request.
@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(changes, id=name, marks=() if name in ("forward", "both, stem") else pytest.mark.slow)
        for name, changes in ENCODERS.items()
    ],
)
@torch.no_grad()
def test_padding_is_not_seen_and_streams_agree_whatever_the_blocks(blocks, changes):
    model = classifier({"blocks": blocks, "depth": 2} | changes)
    rows = ids()
    together = model(rows, LENGTHS)
    close(model(F.pad(rows, (0, 11), value=5), LENGTHS), together)
    for row, length, expected in zip(rows, LENGTHS.tolist(), together, strict=True):
        close(model.stream(row[:length], 19), expected)


def test_a_nan_at_padding_would_do_no_harm():
    for pooling in POOLINGS:
        pool = classifier(pooling=pooling).pooling
        y = torch.randn(2, 5, 16)
        valid = torch.arange(5) < torch.tensor([5, 3])[:, None]
        clean = pool.finish(pool.add(y, valid))
        y[1, 3:] = torch.nan
        torch.testing.assert_close(pool.finish(pool.add(y, valid)), clean)


@pytest.mark.parametrize(
    ("changes", "pooling", "strands", "tokenizer"), pairs(("average", "equivariant"), (Nucleotides(), KMers(3)))
)
@torch.no_grad()
def test_both_strands_have_the_same_logits(changes, pooling, strands, tokenizer):
    model = classifier(changes, tokenizer=tokenizer, pooling=pooling, strands=strands)
    other = reverse_complement(ids(), LENGTHS, model.complement)
    close(model(other, LENGTHS), model(ids(), LENGTHS))
    close(model.embed(other, LENGTHS), model.embed(ids(), LENGTHS))
    given = Classifier(replace(model.config, strands="given")).eval()
    given.load_state_dict(model.state_dict())
    assert (given(other, LENGTHS) - given(ids(), LENGTHS)).abs().max() > 1e-3
    both = torch.stack([given(other, LENGTHS), given(ids(), LENGTHS)]).mean(0)
    close(model(ids(), LENGTHS), both)


@pytest.mark.parametrize(("kind", "outputs"), [("classes", 3), ("regression", 1)])
@pytest.mark.parametrize("strands", ["given", "average"])
@torch.no_grad()
def test_places_add_a_weight_of_what_stands_there(kind, outputs, strands):
    plain = classifier({"stem": StemConfig((5, 3))}, kind=kind, outputs=outputs, strands=strands)
    model = Classifier(replace(plain.config, places=20)).eval()
    model.load_state_dict(plain.state_dict() | {"places.weight": torch.zeros(20, Nucleotides().vocabulary, outputs)})
    close(model(ids(), LENGTHS), plain(ids(), LENGTHS))
    assert model.places is not None
    weight = model.places.weight.normal_(generator=torch.Generator().manual_seed(0))
    if kind == "regression":
        for one in (model, plain):
            one.get_buffer("head.1.deviation").fill_(3.0)
    rows = ids()
    scale, readings = 3.0 if kind == "regression" else 1.0, [rows]
    if strands == "average":
        readings.append(reverse_complement(rows, LENGTHS, model.complement))
    own = torch.stack(
        [
            sum((weight[place, row[place]] for place in range(min(length, 20))), torch.zeros(outputs))
            for reading in readings
            for row, length in zip(reading, LENGTHS.tolist(), strict=True)
        ]
    )
    expected = plain(rows, LENGTHS) + scale * own.unflatten(0, (len(readings), -1)).mean(0)
    close(model(rows, LENGTHS), expected)
    close(model(F.pad(rows, (0, 7), value=2), LENGTHS), expected)
    close(model(F.one_hot(rows, Nucleotides().vocabulary).float(), LENGTHS), expected)
    for row, length, logits in zip(rows, LENGTHS.tolist(), expected, strict=True):
        close(model.stream(row[:length], 9), logits)


@torch.no_grad()
def test_in_training_only_the_equivariant_model_reads_both_strands():
    for strands, expected in (("given", False), ("augment", False), ("average", False), ("equivariant", True)):
        model = classifier({"dropout": 0.0}, strands=strands).train()
        other = reverse_complement(ids(), LENGTHS, model.complement)
        assert torch.allclose(model(other, LENGTHS), model(ids(), LENGTHS), atol=1e-5) == expected, strands


@pytest.mark.parametrize(("changes", "pooling", "strands"), EVERY)
@torch.no_grad()
def test_a_stream_gives_the_logits_of_forward(changes, pooling, strands):
    model = classifier(changes, pooling=pooling, strands=strands)
    for length, piece in ((37, 13), (37, 36), (5, 1)):
        row = ids(length, 1)
        close(model.stream(row[0], piece), model(row, torch.tensor([length]))[0])


@encoders
@torch.no_grad()
def test_streams_of_any_length_in_pieces_of_any_size_agree(changes):
    model = classifier({"depth": 2} | changes, pooling="attention", strands="average")
    for length, piece in ((32, 16), (17, 16), (35, 35), (35, 99), (1, 5)):
        row, lengths = ids(length, 1), torch.tensor([length])
        close(model.stream(row[0].to(torch.uint8), piece), model(row, lengths)[0])
        close(model.embed_stream(row[0], piece), model.embed(row, lengths)[0])


@encoders
def test_a_stream_has_the_gradients_of_forward(changes):
    model = classifier(changes, pooling="attention", strands="equivariant")
    shares = torch.nn.functional.one_hot(ids(25, 1), 7).float().requires_grad_()
    parameters = [shares, *model.parameters()]
    forward = model(shares, torch.tensor([25]))[0, 1]
    expected = torch.autograd.grad(forward, parameters, allow_unused=True)
    stream = model.stream(shares[0], 11)[1]
    for found, wanted in zip(torch.autograd.grad(stream, parameters, allow_unused=True), expected, strict=True):
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


def test_two_directions_see_what_comes_later():
    row, lengths = ids(20, 1), torch.tensor([20])
    changed = row.clone()
    changed[0, -1] = (row[0, -1] + 1) % 4
    for directions, sees in (("forward", False), ("both", True)):
        features = [classifier({"directions": directions}).encoder(one, lengths)[0, 0] for one in (row, changed)]
        assert bool((features[0] - features[1]).abs().max() > 1e-4) == sees


def test_directions_share_their_weights():
    one, both = (classifier({"directions": directions}) for directions in DIRECTIONS)
    extra = sum(p.numel() for p in both.parameters()) - sum(p.numel() for p in one.parameters())
    assert extra == 2 * 16 * 16 + 16


def test_saved_settings_are_read_again():
    config = classifier(ENCODERS["both, stem"], tokenizer=KMers(3), pooling="attention", strands="average").config
    assert from_yaml(to_yaml(config), ClassifierConfig) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": 1}, "kind 'classes' has at least 2 outputs, got 1"),
        ({"kind": "regression", "outputs": 2}, "has 1 outputs, got 2"),
        ({"kind": "ranking"}, "kind must be one of classes, multilabel, regression"),
        ({"pooling": "max"}, "pooling must be one of mean, mean-max, last, attention, got 'max'"),
        ({"strands": "both"}, "strands must be one of given, augment, average, equivariant"),
        ({"strands": "equivariant", "tokenizer": KMers(3, 3)}, "in another frame on the other strand"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    base = {"encoder": encoder(), "kind": "classes", "outputs": 3}
    with pytest.raises(UserError, match=message):
        ClassifierConfig(**(base | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 0}, "dim must be at least 1"),
        ({"blocks": ()}, "at least one block"),
        ({"directions": "backward"}, "'forward' or 'both', got 'backward'"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_wrong_encoders_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        encoder(**changes)


def test_a_regression_answers_in_the_units_of_its_target():
    model = classifier(kind="regression", outputs=1)
    before = model(ids(), LENGTHS)
    scale = model.scale
    assert scale is not None
    scale.mean.fill_(100.0)
    scale.deviation.fill_(2.0)
    close(model(ids(), LENGTHS), 100 + 2 * before)
    assert {"head.1.mean", "head.1.deviation"} <= set(model.state_dict())


def test_a_mean_of_many_deviations_takes_no_digits_from_the_rest():
    model = classifier(kind="regression", outputs=1)
    before = model(ids(), LENGTHS)
    assert model.scale is not None
    model.scale.mean.fill_(2.0**20)
    torch.testing.assert_close(model(ids(), LENGTHS) - 2.0**20, before, rtol=1e-9, atol=1e-9)


def test_memory_does_not_grow_with_a_stream():
    model, seen = classifier(), []
    model.encoder.backbone.register_forward_hook(lambda module, inputs, outputs: seen.append(inputs[0].shape[1]))
    with torch.no_grad():
        model.stream(torch.from_numpy(np.random.default_rng(0).integers(0, 4, 1000)), 128)
    assert max(seen) == 128
    assert sum(seen) == 1000
