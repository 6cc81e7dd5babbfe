"""A case: a prompt with all that earlier steps know of it."""

from __future__ import annotations

import dataclasses
import json

from curation.records import Margin, Prompt, RefusalLabel, Selection


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A prompt, how the targets take it, and what speaks for its being benign."""

    prompt: Prompt
    labels: tuple[RefusalLabel, ...]
    margins: tuple[Margin, ...]
    asks: tuple[str, ...] = ()  # why earlier steps want a person to look
    selection: Selection | None = None

    @property
    def distance(self) -> float:
        """Logits to the nearest boundary of any target; infinite where none was measured."""
        return min((abs(margin.margin) for margin in self.margins), default=float("inf"))

    @property
    def nearness(self) -> float:
        """1 on a boundary, falling to 0 far away."""
        return 1.0 / (1.0 + self.distance)

    @property
    def meaning(self) -> str:
        """What says nearly the same: prompts of one frame of a grammar, of one seed, of one group of translations."""
        detail = json.loads(self.prompt.detail)
        slots = detail.get("slots")
        frame = slots.get("frame") if isinstance(slots, dict) else None
        return str(frame or self.prompt.seed_id or detail.get("group") or self.prompt.id)

    @property
    def source(self) -> str:
        """The set that an imported prompt comes from; empty for own ones."""
        return str(json.loads(self.prompt.detail).get("source", "")) if self.prompt.method == "import" else ""
