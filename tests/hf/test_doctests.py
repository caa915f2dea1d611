"""The examples of `titans_seq.hf`, which pytest cannot collect where transformers is missing."""

import doctest
import importlib

import pytest

pytest.importorskip("transformers", reason="needs transformers: pip install 'titans-seq[hf]'")


@pytest.mark.parametrize("name", ["configuration", "modeling"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"titans_seq.hf.{name}"))
    assert result.attempted
    assert not result.failed
