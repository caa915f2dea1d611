import dataclasses
import functools
import time
from pathlib import Path

import pytest
import torch

from language.tasks import IGNORE, TASKS, Task, build_task
from language.tasks.catalogue import Split
from titans_seq.config import from_yaml, to_yaml
from titans_seq.errors import UserError


def files_of(name: str, request: pytest.FixtureRequest) -> Path | None:
    return request.getfixturevalue("text_data") if TASKS[name].needs_data else None


# A task is a value; what it has read of its files is kept with it.
built = functools.cache(build_task)


def build(name: str, split: Split, request: pytest.FixtureRequest) -> Task:
    return built(name, split, files_of(name, request))


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", TASKS)
def test_batches_are_as_promised_and_depend_on_the_seed_alone(name, split, request):
    task = build(name, split, request)
    recipe = TASKS[name]
    length = recipe.train_length if split == "train" else recipe.test_lengths[0]
    first, again, other = (task.batch(4, length, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    for tokens in first:
        assert tokens.shape == (4, length)
        assert tokens.dtype == torch.int64
    assert first.ids.min() >= 0
    assert first.ids.max() < task.vocabulary
    asked = first.targets != IGNORE
    assert asked.any(dim=1).all()
    assert first.targets[asked].min() >= 0
    assert first.targets[asked].max() < task.vocabulary
    assert torch.equal(first.ids, again.ids)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.ids, other.ids)
    assert recipe.score(first.targets.clamp(min=0), first.targets) == 1


@pytest.mark.parametrize("name", TASKS)
def test_the_longest_test_is_drawn_too(name, request):
    length = TASKS[name].test_lengths[-1]
    assert build(name, "test", request).batch(1, length, torch.Generator().manual_seed(0)).ids.shape == (1, length)


@pytest.mark.parametrize("name", [name for name in TASKS if not name.startswith("scan")])
def test_many_or_long_sequences_take_no_time(name, request):
    # A bound that no load on the machine reaches, and a loop over tokens does.
    task = build(name, "test", request)
    odd = name == "copy-vectors"
    short = max(256, 8 * getattr(task, "pairs", 0)) + odd
    task.batch(1, short, torch.Generator())
    start = time.process_time()
    task.batch(1_000, short, torch.Generator())
    task.batch(1, 65_536 + odd, torch.Generator())
    assert time.process_time() - start < 2


@pytest.mark.parametrize("name", TASKS)
def test_recipes_make_sense(name):
    recipe = TASKS[name]
    assert "arXiv" in recipe.source
    assert list(recipe.test_lengths) == sorted(set(recipe.test_lengths))
    assert all(length < recipe.train_length for length in recipe.warm_up_lengths)
    assert recipe.test_lengths[-1] >= recipe.train_length


@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_values_that_can_be_saved(name, request):
    task = build(name, "train", request)
    assert from_yaml(to_yaml(task)) == task
    again = build_task(name, "train", files_of(name, request))
    assert (again, hash(again)) == (task, hash(task))
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.seed = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_published_lengths():
    assert TASKS["induction-heads"].train_length == 256
    assert TASKS["induction-heads"].test_lengths == tuple(2**k for k in range(6, 17))
    assert [TASKS[f"mqar-{size}"].train_length for size in ("64-4", "128-8", "256-16", "512-64")] == [64, 128, 256, 512]
    assert TASKS["niah-single-1"].test_lengths == (512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768)
    assert TASKS["babilong-qa1"].test_lengths == (1_024, 2_048, 4_096, 8_192, 16_384)


def test_unknown_names_suggest_close_ones():
    with pytest.raises(UserError, match="unknown task 'mqar-64'; did you mean 'mqar-64-4'?"):
        build_task("mqar-64", "train")
    with pytest.raises(UserError, match="unknown task 'zzz'; expected one of induction-heads, mqar-64-4,"):
        build_task("zzz", "train")


@pytest.mark.parametrize("name", [name for name, recipe in TASKS.items() if recipe.needs_data])
def test_missing_files_are_named_with_where_to_get_them(name, tmp_path):
    with pytest.raises(
        UserError, match=f"{name} is made from files: give a data folder with babi, books and scan in it.* github"
    ):
        build_task(name, "train")
    with pytest.raises(UserError, match=rf"is missing: no {tmp_path}/.* plain or with .gz; get it from"):
        build_task(name, "test", tmp_path)


def test_a_file_is_found_plain_or_zipped_best_folder_first(tmp_path: Path):
    places = [tmp_path / "babi" / kind / "qa1_single-supporting-fact_train.txt" for kind in ("en-10k", "en")]
    (tmp_path / "books").mkdir()
    (tmp_path / "books/pg2701.txt").write_text("x")
    for place in places:
        place.parent.mkdir(parents=True)
    places[1].write_text("x")
    assert build_task("babilong-qa1", "train", tmp_path).facts == str(places[1])  # pyright: ignore[reportAttributeAccessIssue]
    zipped = places[0].with_name(places[0].name + ".gz")
    zipped.write_bytes(b"x")
    assert build_task("babilong-qa1", "train", tmp_path).facts == str(zipped)  # pyright: ignore[reportAttributeAccessIssue]
