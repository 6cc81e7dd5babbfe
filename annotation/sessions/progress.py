"""How far everybody is, as the server counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotation.datasets import all_datasets, users_progress
from annotation.sessions.plan import CALIBRATION, CLOSED, Place, Plan, dataset_of

if TYPE_CHECKING:
    from annotation.client import Client


class Progress(NamedTuple):
    """One person's state in one language and round."""

    place: Place
    planned: int
    submitted: int
    discarded: int
    drafts: int
    sent: bool  # whether the dataset is there yet: work waits until practice is done

    @property
    def left(self) -> int:
        """Items that this person has still to submit or discard."""
        return max(0, self.planned - self.submitted - self.discarded)


def session_progress(client: Client, plan: Plan) -> list[Progress]:
    """The progress of every place of a plan."""
    spaces, datasets = client.workspaces(), all_datasets(client)
    found = []
    for place, prompts in plan.now().items():
        dataset = dataset_of(plan, place, spaces, datasets)
        counts = users_progress(client, dataset["id"]).get(place.annotator, {}) if dataset else {}
        found.append(Progress(place, len(prompts), counts.get("submitted", 0), counts.get("discarded", 0),
                              counts.get("draft", 0), dataset is not None))  # fmt: skip
    return found


def practising(plan: Plan, progress: list[Progress]) -> set[tuple[str, str]]:
    """The (annotator, language) whose practice round is not complete: their work is not sent yet."""
    return {row.place[:2] for row in progress if row.place.round == CALIBRATION and row.left}


def reminders(plan: Plan, progress: list[Progress]) -> list[str]:
    """A line for everybody who has something left, the most first; none for a session that is closed."""
    if plan.state == CLOSED:
        return []
    held_up = practising(plan, progress)
    lines = []
    for row in sorted(progress, key=lambda row: (-row.left, row.place)):
        person, language, round_name = row.place
        if not row.left:
            continue
        if row.sent:
            lines.append(f"{person}: {row.left} of {row.planned} left ({language}, {round_name})")
        elif (person, language) in held_up:
            lines.append(f"{person}: {row.planned} wait until practice is done ({language}, {round_name})")
        else:
            lines.append(f"{person}: {row.planned} not sent yet, run `morbench session advance {plan.name}`")
    return lines
