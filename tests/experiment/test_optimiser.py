import torch

from titans_seq.experiment.optimiser import build_optimiser, parameter_groups
from titans_seq.experiment.settings import OptimiserConfig
from titans_seq.models import CausalLM, language_model


def test_decay_acts_on_the_matrices_of_linear_layers_alone():
    model = CausalLM(language_model("tiny-mag", vocabulary=20))
    decays, rest = (group["params"] for group in parameter_groups(model, 0.1))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert len(decays) + len(rest) == len(names)
    kept = {names[id(parameter)] for parameter in rest}
    assert all(parameter.dim() == 2 for parameter in decays)
    for part in ("embedding", "norm", "bias", "initial", "convolution", "persistent", "fusion.gate"):
        with_part = {name for name in names.values() if part in name and not name.endswith("output_gate.weight")}
        assert with_part
        assert with_part <= kept, part


def test_a_parameter_without_gradient_moves_neither_by_decay_nor_by_momentum():
    # What leaving out a step that is not finite rests on.
    layer = torch.nn.Linear(3, 3)
    optimiser, _ = build_optimiser(layer, OptimiserConfig(warmup=0), steps=10)
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    optimiser.zero_grad(set_to_none=True)
    optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(before, layer.parameters(), strict=True))
