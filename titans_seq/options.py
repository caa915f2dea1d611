"""Options that verbs of several groups share; light, so that help loads nothing heavy."""

from dataclasses import dataclass
from typing import Annotated, TypeVar

from tyro.conf import UseAppendAction, arg

from titans_seq.errors import UserError

T = TypeVar("T")

# An option that is left out says in its help what happens then; "default: None" would add nothing.
Maybe = Annotated[T | None, arg(help_behavior_hint="")]
Several = UseAppendAction[tuple[str, ...]]


@dataclass(frozen=True)
class SeedOptions:
    """One training of each model a seed."""

    seeds: int = 1
    """Trainings of each model, with the seeds 0, 1, ..."""
    first_seed: int = 0
    """Begin with another seed."""

    def numbers(self) -> tuple[int, ...]:
        """Return the seeds.

        Raises:
            UserError: if there is none, or one is below 0.

        Example:
            >>> SeedOptions(seeds=3, first_seed=1).numbers()
            (1, 2, 3)
        """
        if self.seeds < 1:
            raise UserError(f"--seeds must be at least 1, got {self.seeds}")
        if self.first_seed < 0:
            raise UserError(f"--first-seed must be at least 0, got {self.first_seed}")
        return tuple(range(self.first_seed, self.first_seed + self.seeds))
