"""How long a run trains, and when it evaluates and saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Timetable:
    """How long to train, and how often to evaluate and save.

    Attributes:
        total_steps: Optimiser steps of the whole run.
        round_steps: Of a round: an epoch, or the iterations between two evaluations. The last one may be shorter.
        eval_every: Rounds between two evaluations; the last round is always evaluated.
        save_every: Optimiser steps between two saved states, besides the one after each round; 0 for none.
        unit: What progress is counted in.
        patience: Training stops after so many evaluations without a better one; 0 never does.
    """

    total_steps: int
    round_steps: int
    eval_every: int = 1
    save_every: int = 0
    unit: Literal["epoch", "iteration"] = "epoch"
    patience: int = 0

    def count(self, step: int) -> int:
        """So many steps in the unit of progress."""
        return step if self.unit == "iteration" else step // self.round_steps

    def ends_round(self, step: int) -> bool:
        """Whether a round ends after so many steps."""
        return step % self.round_steps == 0 or step == self.total_steps

    def is_evaluated(self, step: int) -> bool:
        """Whether the round that ends after so many steps is evaluated."""
        return step % (self.round_steps * self.eval_every) == 0 or step == self.total_steps
