"""`titans_seq.hf` against our own model and generation."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.blocks import LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.errors import UserError
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule
from titans_seq.models import CausalLM, CausalLMConfig, Sampling, generate

transformers = pytest.importorskip("transformers", reason="needs transformers: pip install 'titans-seq[hf]'")
hf = pytest.importorskip("titans_seq.hf")

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(LinearMemory()), persistent_tokens=2)
ATTENTION = AttentionConfig(heads=2, window=5)
BLOCKS = (
    MACConfig(MEMORY, heads=2, segment=6),
    MAGConfig(ATTENTION, MEMORY),
    MALConfig(MEMORY, ATTENTION),
    LMMConfig(),
)
NAMES = ("mac", "mag", "mal", "lmm")
CONFIG = CausalLMConfig(20, 16, BLOCKS, 4)
PROMPTS = [torch.randint(2, 20, (n,), generator=torch.Generator().manual_seed(n)) for n in (9, 3, 14)]


def wrapped(config: CausalLMConfig = CONFIG) -> Any:
    torch.manual_seed(0)
    return hf.TitansForCausalLM.of(CausalLM(config).double().eval(), pad_token_id=0, bos_token_id=1)


def left_padded(prompts: list[Tensor]) -> dict[str, Tensor]:
    longest = max(map(len, prompts))
    ids = torch.stack([F.pad(prompt, (longest - len(prompt), 0)) for prompt in prompts])
    mask = torch.stack([F.pad(torch.ones_like(prompt), (longest - len(prompt), 0)) for prompt in prompts])
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_greedy_generation_of_unlike_prompts_is_our_own_of_each(block: Any) -> None:
    model = wrapped(CausalLMConfig(20, 16, (block,), 2))
    out = model.generate(**left_padded(PROMPTS), max_new_tokens=10, do_sample=False)
    for row, prompt in zip(out, PROMPTS, strict=True):
        drawn = itertools.islice(generate(model.model, prompt[None], sampling=Sampling(0)), 10)
        assert row[-10:].tolist() == [int(token) for token, _ in drawn]


def test_generate_goes_on_from_a_cache_without_reading_twice() -> None:
    model, prompts = wrapped(), left_padded(PROMPTS)
    settings = {"max_new_tokens": 4, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    first = model.generate(**prompts, **settings)
    ids = torch.cat([first.sequences, torch.randint(2, 20, (3, 5))], 1)
    mask = F.pad(prompts["attention_mask"], (0, ids.shape[1] - prompts["attention_mask"].shape[1]), value=1)
    anew = model.generate(ids, attention_mask=mask, **settings)
    on = model.generate(ids, attention_mask=mask, cache=first.past_key_values, **settings)
    assert torch.equal(on.sequences, anew.sequences)
    for ours, expected in zip(on.logits, anew.logits, strict=True):
        assert_close(ours, expected, 1e-5)
    chunked = {"prefill_chunk_size": 4, "cache": hf.TitansCache()}
    in_chunks = model.generate(ids, attention_mask=mask, **chunked, **settings)
    assert torch.equal(in_chunks.sequences, anew.sequences)
    given = model.generate(inputs_embeds=model.get_input_embeddings()(ids), attention_mask=mask, **settings)
    assert torch.equal(given.sequences, anew.sequences[:, -4:])


def best_of_beams(model: CausalLM, prompt: Tensor, beams: int, steps: int) -> list[int]:
    """Beam search by our own model, reading every hypothesis again from its start."""
    found = [(0.0, prompt.tolist())]
    for _ in range(steps):
        longer = []
        for score, ids in found:
            chances = model(torch.tensor([ids]))[0][0, -1].log_softmax(-1)
            longer += [(score + chance, [*ids, token]) for token, chance in enumerate(chances.tolist())]
        found = sorted(longer, reverse=True)[:beams]
    return found[0][1][len(prompt) :]


def test_beams_of_unlike_prompts_are_those_of_a_search_without_a_cache() -> None:
    model = wrapped()
    out = model.generate(**left_padded(PROMPTS), max_new_tokens=5, num_beams=3)
    with torch.no_grad():
        for row, prompt in zip(out, PROMPTS, strict=True):
            assert row[-5:].tolist() == best_of_beams(model.model, prompt, 3, 5)


def test_sampling_and_several_texts_a_prompt() -> None:
    model = wrapped()
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(model.generate(**left_padded(PROMPTS), max_new_tokens=4, do_sample=True, num_return_sequences=2))
    assert drawn[0].shape == (6, 18)
    assert torch.equal(*drawn)
    # A conversation goes on from its cache.
    first = model.generate(PROMPTS[0][None], max_new_tokens=4, do_sample=False, return_dict_in_generate=True)
    assert isinstance(first.cache, hf.TitansCache)
    assert first.cache.get_seq_length() == 12  # the last token drawn was not read
    more = model.generate(first.sequences, max_new_tokens=3, do_sample=False, cache=first.cache)
    assert torch.equal(more, model.generate(PROMPTS[0][None], max_new_tokens=7, do_sample=False))


def test_saved_and_loaded_without_code(tmp_path: Path) -> None:
    model = wrapped()
    model.save_pretrained(tmp_path)
    assert {"config.json", "model.safetensors"} <= {path.name for path in tmp_path.iterdir()}
    assert not list(tmp_path.glob("*.py"))
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.config.language_model() == CONFIG
    with torch.no_grad():
        assert_close(again(PROMPTS[0][None]).logits, model(PROMPTS[0][None]).logits, 1e-12)
    half = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half(PROMPTS[0][None]).logits.dtype == torch.bfloat16
    made = transformers.AutoModelForCausalLM.from_config(again.config)
    assert sum(p.numel() for p in made.parameters()) == sum(p.numel() for p in again.parameters())


def test_a_folder_without_some_weights_is_refused(tmp_path: Path) -> None:
    model = wrapped()
    state = model.state_dict()
    del state["model.backbone.blocks.0.mixer.memory.initial.0"]
    model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(UserError, match=r"weights are missing: model.backbone.blocks.0.mixer.memory.initial.0: r"):
        hf.TitansForCausalLM.from_pretrained(tmp_path)


def test_labels_padding_and_packing_give_one_loss() -> None:
    model = wrapped()
    batch = left_padded(PROMPTS)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    padded = model(**batch, labels=labels)
    total = sum(len(prompt) - 1 for prompt in PROMPTS)
    alone = torch.stack([model(p[None], labels=p[None]).loss * (len(p) - 1) for p in PROMPTS]).sum() / total
    assert_close(padded.loss, alone, 1e-6)  # the library's loss is float32
    packed = torch.cat(PROMPTS)[None]
    borders = torch.tensor([0, 9, 12, 26])
    places = torch.cat([torch.arange(len(prompt)) for prompt in PROMPTS])[None]
    for named in ({"cu_seqlens": borders}, {"cu_seq_lens_q": borders}, {"position_ids": places}):
        out = model(packed, labels=packed, **named)
        assert_close(out.loss, alone, 1e-6)
    # Padding of any token, on either side, is no label.
    filled = batch | {"input_ids": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, 5)}
    assert_close(model(**filled, labels=filled["input_ids"]).loss, alone, 1e-6)
    right = {
        name: torch.stack([row.roll(len(p)) for row, p in zip(x, PROMPTS, strict=True)]) for name, x in filled.items()
    }
    assert_close(model(**right, labels=right["input_ids"]).loss, alone, 1e-6)
    assert_close(model(inputs_embeds=model.get_input_embeddings()(packed)).logits, model(packed).logits, 1e-12)
    assert model(packed, logits_to_keep=2).logits.shape == (1, 2, 20)


def test_documents_do_not_learn_of_each_other_however_they_are_named() -> None:
    model = wrapped()
    documents = [*PROMPTS, PROMPTS[0].flip(0)]  # 9, 3, 14 and 9 tokens
    alone = torch.cat([model(document[None]).logits[0] for document in documents])
    places = torch.cat([torch.arange(len(document)) for document in documents])
    ids, borders = torch.cat(documents), torch.tensor([0, 9, 12, 26, 35])
    ones = torch.ones(1, 35)
    for named in (
        {"cu_seq_lens_q": borders, "cache": hf.TitansCache()},
        {"cu_seq_lens_q": borders, "attention_mask": ones},
        {"position_ids": places[None], "cache": hf.TitansCache()},
        {"position_ids": places[None], "attention_mask": ones},
    ):
        out = model(ids[None], **named, use_cache=True)
        assert_close(out.logits[0], alone, 1e-9)
        assert out.cache.state.batch == 4
    # Two rows, the second one with padding before its documents, and behind them.
    rows, at, mask = ids.new_full((2, 26), 5), places.new_zeros(2, 26), ids.new_zeros(2, 26)
    rows[0], at[0], mask[0] = ids[:26], places[:26], 1
    for begin, some in ((17, slice(3, 4)), (6, slice(1, 3))):
        first, last = borders[some.start], borders[some.stop]
        there = slice(begin, begin + int(last - first))
        mask[1] = 0
        rows[1, there], at[1, there], mask[1, there] = ids[first:last], places[first:last], 1
        out = model(rows, attention_mask=mask, position_ids=at, labels=rows)
        assert_close(out.logits[0], alone[:26], 1e-9)
        assert_close(out.logits[1, there], alone[first:last], 1e-9)
        read = [*PROMPTS, *documents[some]]
        losses = torch.stack([model(d[None], labels=d[None]).loss * (len(d) - 1) for d in read])
        assert_close(out.loss, losses.sum() / sum(len(d) - 1 for d in read), 1e-6)
    # Going on, each document from its own row of the cache.
    cache = model(ids[None], cu_seq_lens_q=borders, use_cache=True).cache
    more = model(torch.tensor([[3, 4, 5, 6, 7]]), cu_seq_lens_q=torch.tensor([0, 2, 3, 4, 5]), cache=cache).logits[0]
    assert_close(more[:2], model(torch.cat([documents[0], torch.tensor([3, 4])])[None]).logits[0, -2:], 1e-9)
    with pytest.raises(ValueError, match="the state is of 4 rows, got 2 documents"):
        model(ids[None], cu_seq_lens_q=torch.tensor([0, 9, 35]), cache=cache)
    with pytest.raises(ValueError, match="position_ids start anew within a text that goes on from a cache"):
        model(ids[None], position_ids=places[None], cache=model(PROMPTS[0][None], use_cache=True).cache)
    with pytest.raises(ValueError, match=r"position_ids must be \(1, 35\) as the tokens, got \(1, 3\)"):
        model(ids[None], position_ids=places[None, :3])


def test_the_vocabulary_can_grow() -> None:
    for tied in (True, False):
        model = wrapped(CausalLMConfig(20, 16, (LMMConfig(MEMORY),), 1, tied=tied))
        before = model(PROMPTS[0][None]).logits
        model.resize_token_embeddings(23, mean_resizing=False)
        assert_close(model(PROMPTS[0][None]).logits[..., :20], before, 1e-12)
        assert model(torch.tensor([[22]])).logits.shape[-1] == 23
        assert model.config.language_model() == model.model.config


def test_activation_checkpointing_changes_no_gradient() -> None:
    model = wrapped().train()
    gradients = []
    for enable in (False, True):
        if enable:
            model.activation_checkpointing_enable()
        model(PROMPTS[0][None], labels=PROMPTS[0][None]).loss.backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        model.zero_grad()
    assert model.model.backbone.gradient_checkpointing
    for before, after in zip(*gradients, strict=True):
        assert_close(after, before, 1e-12)


def test_the_trainer_trains(tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="needs accelerate: pip install 'titans-seq[hf]'")
    model = wrapped(CausalLMConfig(20, 16, (LMMConfig(MEMORY),), 1)).float()
    rows = [{"input_ids": prompt, "labels": prompt, "attention_mask": torch.ones_like(prompt)} for prompt in PROMPTS]

    def collate(some: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        batch = left_padded([row["input_ids"] for row in some])
        return batch | {"labels": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)}

    options = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=8, per_device_train_batch_size=3, learning_rate=0.05, report_to="none",
        use_cpu=True, save_strategy="no", disable_tqdm=True, logging_strategy="no", lr_scheduler_type="constant",
    )  # fmt: skip
    before = model(**collate(rows)).loss.item()
    transformers.Trainer(model=model, args=options, train_dataset=rows, data_collator=collate).train()
    assert model(**collate(rows)).loss.item() < before - 0.3


def test_messages() -> None:
    model = wrapped()
    ids = PROMPTS[0][None]
    with pytest.raises(ValueError, match="give either input_ids or inputs_embeds"):
        model()
    with pytest.raises(ValueError, match="hidden states and attention weights are not returned"):
        model(ids, output_hidden_states=True)
    for name in ("output_hidden_states", "output_attentions"):
        setattr(model.config, name, True)
        with pytest.raises(ValueError, match="hidden states and attention weights are not returned"):
            model(ids)
        assert model(ids, **{name: False}).logits.shape[1] == ids.shape[1]
        setattr(model.config, name, False)
    for kind in ("static", "quantized", "offloaded"):
        for asked in (
            {"cache_implementation": kind},
            {"generation_config": transformers.GenerationConfig(cache_implementation=kind)},
        ):
            with pytest.raises(ValueError, match=f"cache_implementation='{kind}': the state of a memory is kept in a"):
                model.generate(ids, max_new_tokens=2, **asked)
    assert model.generate(ids, max_new_tokens=2, cache_implementation="dynamic").shape[1] == ids.shape[1] + 2
    with pytest.raises(ValueError, match="expected a TitansCache"):
        model(ids, cache=transformers.DynamicCache())
    with pytest.raises(ValueError, match="cannot forget its last tokens"):
        model(ids, use_cache=True).cache.crop(1)
    with pytest.raises(ValueError, match=r"labels must be \(1, \d+\) as the tokens, got \(1, 1\)"):
        model(ids, labels=ids[:, :1])
    with pytest.raises(ValueError, match="give labels or logits_to_keep, not both"):
        model(ids, labels=ids, logits_to_keep=1)
    with pytest.raises(ValueError, match=r"expected token ids \[B >= 1, T >= 1\], int64 or int32, got torch.float32"):
        model(ids.float())


def test_rows_that_fill_the_vocabulary_up_are_no_tokens() -> None:
    filled = CausalLM(replace(wrapped().model.config, vocabulary_multiple=64))
    assert filled.embedding.num_embeddings > filled.config.vocabulary
    with pytest.raises(ValueError, match=rf"token ids must be in \[0, {filled.config.vocabulary}\)"):
        hf.TitansForCausalLM.of(filled)(torch.tensor([[filled.config.vocabulary]]))
