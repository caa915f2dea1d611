"""Models: stacks of blocks, and language models made of them."""

from titans_seq.models.backbone import Backbone, BackboneState
from titans_seq.models.causal_lm import CausalLM, CausalLMConfig
from titans_seq.models.generate import Sampling, draw, generate
from titans_seq.models.presets import count_parameters, language_model, sized
from titans_seq.models.saving import load_model, save_model
from titans_seq.models.state_file import load_state, save_state
from titans_seq.state import map_state

__all__ = [
    "Backbone",
    "BackboneState",
    "CausalLM",
    "CausalLMConfig",
    "Sampling",
    "count_parameters",
    "draw",
    "generate",
    "language_model",
    "load_model",
    "load_state",
    "map_state",
    "save_model",
    "save_state",
    "sized",
]
