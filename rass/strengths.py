"""How strongly each row of a batch is steered: one number, one a row, and gates that leave rows out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from curation.errors import ModelError
from rass.directions import Direction
from rass.passes import Pass

# states (batch, tokens, width) -> strengths that fit them, (batch or 1, 1, 1)
Strength = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Gate:
    """Steer only rows whose value lies in [low, high]; decided when the prompt is read, kept while writing.

    The value is the projection onto `direction` (the steered one if None) at its own layer and prompt token, as
    `Direction.project` gives it; or `values`, one a row, measured before: margins, say.
    """

    low: float = -math.inf
    high: float = math.inf
    direction: Direction | None = None
    values: Sequence[float] | None = None

    def holds(self, values: Any) -> Any:
        """Which values lie within the limits, as a tensor of shape (values, 1, 1)."""
        import torch

        column = torch.as_tensor(values, dtype=torch.float64).reshape(-1, 1, 1)
        return (column >= self.low) & (column <= self.high)


def rows_of(what: str, values: Any) -> Strength:
    """The same values at each call, checked against the batch."""
    held = {None: values}  # by device

    def strength(states: Any) -> Any:
        if len(values) not in {1, len(states)}:
            raise ModelError(
                f"{len(values)} {what} for a batch of {len(states)} rows", fix="give one for all rows, or one a row"
            )
        if states.device not in held:
            held[states.device] = values.to(states.device)
        return held[states.device]

    return strength


def coefficients_of(coefficients: float | Any) -> Strength:
    """Strengths from a number, or from a sequence or tensor of shape (batch,)."""
    import torch

    return rows_of("coefficients", torch.as_tensor(coefficients, dtype=torch.float32).reshape(-1, 1, 1))


class Decision:
    """Which rows a gate lets through: decided by a hook in the gate's layer at each prompt that is read."""

    def __init__(self, gate: Gate, direction: Direction, current: Pass) -> None:
        self.gate, self.direction, self.current = gate, direction, current
        self.rows: Strength | None = None if gate.values is None else rows_of("gate values", gate.holds(gate.values))

    def hook(self, _module: Any, _inputs: Any, output: Any) -> None:
        """Forward hook of the gate's layer."""
        import torch

        if not self.current.reading:
            return
        states = output[0] if isinstance(output, tuple) else output
        place = (self.current.ends(states) + 1 + getattr(self.direction, "position", -1)).clamp(min=0)
        at = states[torch.arange(len(states), device=states.device), place].float().cpu().numpy()
        self.rows = rows_of("gate values", self.gate.holds(self.direction.project(at)))

    def of(self, strength: Strength) -> Strength:
        """A strength that is 0 in the rows that are left out."""

        def gated(states: Any) -> Any:
            if self.rows is None:
                raise ModelError("the gate has seen no prompt", fix="enter the context before the prompt is read")
            return strength(states) * self.rows(states)

        return gated
