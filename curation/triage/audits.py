"""How often the automatic part was wrong, by what people said of the prompts it had sorted, with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from curation.rates import Rate, wilson
from curation.records import Prompt, Triage, Verdict
from curation.triage.planning import REJECT
from curation.workspace import Workspace

AUDIT = "audit"
EVERYWHERE = "all"
# What the automatic part takes a prompt of a lane for. In "decide" it takes it for nothing.
SAID = {AUDIT: "benign", "confirm": "benign", "control": "harmful"}


class LaneError(NamedTuple):
    """How people judged the prompts of a lane that were answered."""

    language: str
    lane: str
    said: str  # what the automatic part took them for
    wrong: Rate  # share that people did not call so: another verdict, or no common one
    controversial: int  # of those, where people differed
    simulated: int  # of the n verdicts, those with a simulated response
    stands_for: int  # rows that nobody looked at and that the rate speaks for; 0 where the lane was no random sample

    def unseen(self) -> tuple[float, float, float]:
        """How many of the unseen rows are wrong: estimate and 95 % interval."""
        return (self.stands_for * self.wrong.value, self.stands_for * self.wrong.low, self.stands_for * self.wrong.high)


def estimate_errors(
    rows: Iterable[Triage], verdicts: Iterable[Verdict], prompts: Mapping[str, Prompt]
) -> list[LaneError]:
    """Error rates by language and lane, and over all languages.

    The audit lane is a random sample of the confident rows, so its rate holds for those that nobody looked at. The other
    lanes are what triage thought worth a look: their rates are of those rows alone.
    """
    by_prompt = {verdict.prompt_id: verdict for verdict in verdicts}
    judged: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    unseen: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.prompt_id not in prompts:
            continue
        for language in (prompts[row.prompt_id].language, EVERYWHERE):
            if row.lane in SAID and row.prompt_id in by_prompt:
                judged[language, row.lane].append(by_prompt[row.prompt_id])
            elif row.lane in {REJECT, AUDIT} and row.prompt_id not in by_prompt:
                unseen[language] += 1
    languages = sorted({language for language, _ in judged} - {EVERYWHERE})
    return [
        _error(language, lane, judged[language, lane], unseen[language] if lane == AUDIT else 0)
        for language in [*languages, *([EVERYWHERE] if len(languages) > 1 else [])]
        for lane in SAID
        if judged[language, lane]
    ]


def _error(language: str, lane: str, verdicts: list[Verdict], stands_for: int) -> LaneError:
    said = SAID[lane]
    wrong = sum(verdict.verdict != said for verdict in verdicts)
    controversial = sum(verdict.verdict == "controversial" for verdict in verdicts)
    simulated = sum(verdict.simulated for verdict in verdicts)
    return LaneError(language, lane, said, wilson(wrong, len(verdicts)), controversial, simulated, stands_for)


def lane_errors(workspace: Workspace) -> list[LaneError]:
    """The error rates of the project's triage by its verdicts so far."""
    return estimate_errors(workspace.table(Triage).rows(), workspace.table(Verdict).rows(), workspace.prompts())
