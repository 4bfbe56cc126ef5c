"""What to say when training broke down: the loss, a gradient or a weight is no number any more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cltdr_cli.errors import CltdrError
from cltdr_cli.training.learner import StepResult

_MOST_NAMES = 8


@dataclass(frozen=True)
class Saved:
    """What there is to continue from.

    Attributes:
        step: Steps done when the state was saved; None before the first.
        can_clip: Whether the settings have a limit of the gradient that can be lowered.
    """

    step: int | None
    can_clip: bool

    @property
    def advice(self) -> str:
        """What to do after training broke down."""
        if self.step is None:
            begin = "Nothing was saved yet. Begin again with resume= and a lower lr="
        else:
            begin = f"Continue from the state saved after step {self.step}: resume= with a lower lr="
        clip = ", or with the setting training.clip_grad_l2norm=1" if self.can_clip else ""
        advice = f"{begin}{clip}; leave out amp= or precision= if given."
        if not self.step:
            return advice
        return f"{advice} If it breaks down again at once, that state was too far off already: start in another folder."


def explain_broken_step(result: StepResult, videos: Sequence[str], saved: Saved) -> CltdrError:
    """The loss or the gradient of a step is not finite.

    Args:
        result: Of the step.
        videos: Ids of those in its batch.
        saved: What there is to continue from.
    """
    is_loss = not math.isfinite(result.total_loss)
    what, value = ("loss", result.total_loss) if is_loss else ("gradient norm", result.gradient_norm)
    listed = ", ".join(videos[:_MOST_NAMES]) + (f" and {len(videos) - _MOST_NAMES} more" * (len(videos) > _MOST_NAMES))
    return CltdrError(
        f"the {what} of step {result.step} is {value}: training cannot go on\n"
        f"learning rate {result.learning_rate:.3g}; videos in this batch: {listed}",
        saved.advice,
    )


def explain_broken_weights(step: int, broken: Sequence[str], saved: Saved) -> CltdrError:
    """Weights are not finite, although the loss was.

    Args:
        step: Steps done.
        broken: Names of the tensors.
        saved: What there is to continue from.
    """
    return CltdrError(
        f"after step {step}, {len(broken)} tensors of the network or its optimiser hold NaN or infinity, first "
        f"{broken[0]}: nothing of it was saved",
        saved.advice,
    )
