import pytest
import torch

from forecasting.network.cycle import CycleConfig, LearnedCycle


def test_positions_follow_the_phase_and_cycles_add_up():
    cycle = LearnedCycle(CycleConfig(periods=(4, 6)), channels=2)
    for table in cycle.tables:
        torch.nn.init.normal_(table)
    context, future = cycle(torch.tensor([0, 5, -3]), context=5, horizon=7)
    whole = torch.cat((context, future), dim=1)
    for b, phase in enumerate((0, 5, -3)):
        for i in range(12):
            expected = cycle.tables[0][(phase + i) % 4] + cycle.tables[1][(phase + i) % 6]
            torch.testing.assert_close(whole[b, i], expected)


def test_starts_at_zero():
    context, future = LearnedCycle(CycleConfig(periods=(24,)), channels=2)(torch.tensor([3]), 4, 5)
    assert (context == 0).all()
    assert (future == 0).all()


@pytest.mark.parametrize("period", [1, 0, -24])
def test_a_period_is_at_least_two(period):
    with pytest.raises(ValueError, match="every period must be at least 2 steps"):
        LearnedCycle(CycleConfig(periods=(24, period)), channels=1)
