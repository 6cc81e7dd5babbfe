"""Which prompts a session asks about: work from triage, and items with a known answer for practice and gold."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from annotation.responses import standing_responses
from annotation.sessions.gold import KNOWN
from annotation.sessions.plan import CLOSED, WORK, all_plans, round_of
from curation.errors import AnnotationError
from curation.records import REFUSED, Prompt, RefusalLabel, Triage, Verdict, digest

if TYPE_CHECKING:
    from curation.workspace import Workspace

LANES = ("decide", "confirm", "control", "audit")
REQUEUE = "requeue.json"


@dataclasses.dataclass(frozen=True)
class Pool:
    """What a session of one language can draw from, best first."""

    work: tuple[str, ...]
    gold: tuple[str, ...]  # benign and harmful take turns
    answers: Mapping[str, str]  # of the gold items
    asked: Mapping[str, frozenset[str]]  # who has answered a prompt, or has it in another session


def pool_of(
    workspace: Workspace, language: str, seed: int, *, gold: Mapping[str, str] | None = None, requeue: bool = False
) -> Pool:
    """The prompts of one language; `gold` replaces the items whose answer the project knows by itself."""
    prompts = {key: row for key, row in workspace.prompts().items() if row.language == language}
    asked = asked_before(workspace)
    work = requeued(workspace, prompts) if requeue else from_triage(workspace, prompts, asked)
    answers = {key: answer for key, answer in (gold or known_answers(workspace, prompts)).items() if key in prompts}
    return Pool(tuple(work), tuple(gold_order(answers, work, seed)), answers, asked)


def from_triage(workspace: Workspace, prompts: Mapping[str, Prompt], asked: Mapping[str, Collection[str]]) -> list[str]:
    """The prompts that people have to look at: lanes by their share of morbench.toml, each by priority.

    What enough people have answered, or another session is asking, comes last.
    """
    queue = workspace.config.queue
    shares = {"decide": queue.decide_share, "control": queue.harmful_share, "audit": queue.audit_share}
    shares["confirm"] = max(0.0, 1.0 - sum(shares.values()))
    lanes: dict[str, list[Triage]] = defaultdict(list)
    for row in workspace.table(Triage).rows():
        if row.lane in LANES and row.prompt_id in prompts:
            lanes[row.lane].append(row)
    ranked = []
    for lane, rows in lanes.items():
        for index, row in enumerate(sorted(rows, key=lambda row: (-row.priority, row.prompt_id))):
            settled = len(asked.get(row.prompt_id, ())) >= queue.min_responses
            # A lane with twice the share is twice as dense in the order; one without a share comes when others end.
            turn = (index + 0.5) / shares[lane] if shares[lane] else float("inf")
            ranked.append((settled, turn, LANES.index(lane), row.prompt_id))
    return [prompt_id for *_, prompt_id in sorted(ranked)]


def requeued(workspace: Workspace, prompts: Mapping[str, Prompt]) -> list[str]:
    """The prompts that `morbench audit requeue` found doubtful, most doubtful first."""
    path = workspace.root / "annotation" / REQUEUE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        rows = raw["items"] if isinstance(raw, dict) else raw
        found = [str(row["prompt_id"]) for row in rows]
    except FileNotFoundError:
        raise AnnotationError(f"{path} does not exist", fix="run `morbench audit requeue` first") from None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AnnotationError(f"cannot read {path}: {exc}", fix="run `morbench audit requeue` again") from exc
    return [prompt_id for prompt_id in dict.fromkeys(found) if prompt_id in prompts]


def known_answers(workspace: Workspace, prompts: Mapping[str, Prompt]) -> dict[str, str]:
    """What is known without asking: seeds by their author's intent, and what several people judged alike."""
    enough = max(2, workspace.config.queue.min_responses)
    found = {key: row.intent for key, row in prompts.items()
             if row.method == "seed" and row.intent in KNOWN and row.category != "harmless"}  # fmt: skip
    for row in workspace.table(Verdict).rows():
        if row.prompt_id not in prompts or row.simulated:
            continue
        if row.verdict in KNOWN and row.agreement == 1 and row.responses >= enough:
            found[row.prompt_id] = row.verdict
        else:
            found.pop(row.prompt_id, None)  # people did not see it as its author did: no item to judge them by
    return found


def gold_order(answers: Mapping[str, str], work: Sequence[str], seed: int) -> list[str]:
    """Gold candidates: benign and harmful in turns, each shuffled; those that triage wants looked at come last."""
    late = {prompt_id: place for place, prompt_id in enumerate(work)}
    sides: dict[str, list[str]] = {answer: [] for answer in KNOWN}
    for prompt_id in sorted(answers, key=lambda key: (-late.get(key, len(late)), digest("gold", str(seed), key))):
        sides[answers[prompt_id]].append(prompt_id)
    ranked = [(prompt_id in late, turn, answer, prompt_id) for answer in KNOWN
              for turn, prompt_id in enumerate(sides[answer])]  # fmt: skip
    return [prompt_id for *_, prompt_id in sorted(ranked)]


def asked_before(workspace: Workspace) -> dict[str, frozenset[str]]:
    """Who has answered each prompt, or has it in a session that is not closed; practice does not count."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in standing_responses(workspace):
        if round_of(row.session, row.batch) in ("", WORK):
            found[row.prompt_id].add(row.annotator)
    for plan in all_plans(workspace):
        if plan.state != CLOSED:
            for place, prompt_ids in plan.now().items():
                for prompt_id in prompt_ids if place.round == WORK else ():
                    found[prompt_id].add(place.annotator)
    return {prompt_id: frozenset(people) for prompt_id, people in found.items()}


def suggested_answers(workspace: Workspace, prompt_ids: Collection[str]) -> dict[str, str]:
    """What a pre-annotated session suggests: the author's intent; unknown, what most targets took the prompt for."""
    refused: Counter[str] = Counter()
    for label in workspace.table(RefusalLabel).rows():
        if label.label != "unscored":
            refused[label.prompt_id] += 1 if label.label in REFUSED else -1
    prompts = workspace.prompts()
    return {key: prompts[key].intent if prompts[key].intent in KNOWN else "harmful" if refused[key] > 0 else "benign"
            for key in sorted(prompt_ids)}  # fmt: skip
