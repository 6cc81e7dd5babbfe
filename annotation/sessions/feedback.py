"""What a person learns after the practice round: their answer beside the agreed one, item by item.

It is kept as a file of markdown, and put before the guidelines of their practice dataset, where they can read it in
their browser. Every word is the pack's: nothing in it needs a language of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from annotation.display import markdown_text
from annotation.responses import standing_responses
from annotation.sessions.form import follow_up
from annotation.sessions.gold import read_key
from annotation.sessions.plan import CALIBRATION, Place, Plan, folder, private_session_folder
from curation.storage import write_text

if TYPE_CHECKING:
    from curation.languages.packs import Pack
    from curation.records import Prompt
    from curation.workspace import Workspace

LONGEST_PROMPT = 200  # characters of a prompt that is quoted


class Feedback(NamedTuple):
    """How one person did in practice."""

    place: Place
    agreed: int
    answered: int


def write_feedback(workspace: Workspace, plan: Plan, place: Place) -> Feedback:
    """Write what one person is told, from the answers that were pulled."""
    key, prompts = read_key(workspace, plan.name), workspace.prompts()
    answers = {row.prompt_id: row.answer for row in standing_responses(workspace)
               if (row.session, row.batch, row.annotator) == (plan.name, plan.dataset(place), place.annotator)}  # fmt: skip
    order = [prompt_id for prompt_id in plan.now()[place] if prompt_id in answers and prompt_id in key]
    text = feedback_text(workspace.packs[place.language], [prompts[prompt_id] for prompt_id in order], answers, key)
    private_session_folder(workspace, plan.name)
    path = feedback_path(workspace, plan, place)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_text(path, text, mode=0o600)
    return Feedback(place, sum(answers[prompt_id] == key[prompt_id] for prompt_id in order), len(order))


def feedback_text(pack: Pack, prompts: list[Prompt], answers: Mapping[str, str], key: Mapping[str, str]) -> str:
    """Markdown: what was agreed with, and what was not, as own answer → agreed answer; with the prompt's category."""
    right = sum(answers[prompt.id] == key[prompt.id] for prompt in prompts)
    lines = [f"## {right} / {len(prompts)} ✓", ""]
    for number, prompt in enumerate(prompts, 1):
        own, agreed = (pack.options[found] for found in (answers[prompt.id], key[prompt.id]))
        verdict = f"✓ **{agreed}**" if own == agreed else f"✗ {own} → **{agreed}**"
        about = follow_up(pack, "category").options.get(prompt.category, "")
        quoted = markdown_text(prompt.text, LONGEST_PROMPT)
        lines.append(f"{number}. “{quoted}” {verdict}{f' · {about}' if about else ''}")
    return "\n".join([*lines, "", "---", ""])


def read_feedback(workspace: Workspace, plan: Plan, place: Place) -> str:
    """What a person was told of their practice; empty before that, and in other rounds."""
    path = feedback_path(workspace, plan, place)
    return path.read_text(encoding="utf-8") if place.round == CALIBRATION and path.exists() else ""


def feedback_path(workspace: Workspace, plan: Plan, place: Place) -> Path:
    """Where a person's feedback lies."""
    return folder(workspace, plan.name) / "feedback" / f"{place.annotator}-{place.language}.md"
