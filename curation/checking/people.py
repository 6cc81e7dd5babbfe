"""Who looks at each language of a project, and what they did so far."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import NamedTuple

from curation.checking.findings import Finding
from curation.records import Response, Triage
from curation.workspace import Workspace


class People(NamedTuple):
    """Who looks at a language in a project, and what they did so far."""

    annotators: int  # accounts, and people who answered
    batches: int
    responses: int


def people_of(workspace: Workspace) -> dict[str, People]:
    """For each language of a project: its annotators, the batches made for them, and their responses."""
    prompts = workspace.prompts()
    batches: dict[str, set[str]] = defaultdict(set)
    for row in workspace.table(Triage).rows():
        if row.batch and row.prompt_id in prompts:
            batches[prompts[row.prompt_id].language].add(row.batch)
    names: dict[str, set[str]] = defaultdict(set)
    responses: Counter[str] = Counter()
    for response in workspace.table(Response).rows():
        if response.prompt_id in prompts:
            language = prompts[response.prompt_id].language
            names[language].add(response.annotator)
            responses[language] += 1
    for name in _accounts(workspace):
        language, _, rest = name.partition("-annotator-")
        if rest:
            names[language].add(name)
    return {
        code: People(len(names[code]), len(batches[code]), responses[code])
        for code in workspace.config.project.languages
    }


def _accounts(workspace: Workspace) -> list[str]:
    """The names of the accounts on any server; what else the file holds is not looked at."""
    path = workspace.root / "annotation" / "accounts.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none were made yet; a damaged file is reported where accounts are used
        return []
    return (
        [name for entry in raw.values() if isinstance(entry, dict) for name in entry] if isinstance(raw, dict) else []
    )


def people_findings(workspace: Workspace, code: str) -> list[Finding]:
    """Is there anybody in the project to look at this language?"""
    if code not in workspace.config.project.languages:
        return [
            Finding("project", "note", f"{code} is not in project.languages of {workspace.root.name}/morbench.toml yet")
        ]
    people = people_of(workspace)[code]
    if not people.annotators:
        return [
            Finding(
                "annotators", "note", f"no annotators for {code} yet; `morbench annotate users` makes their accounts"
            )
        ]
    return [Finding("annotators", "good", f"{people.annotators}, {people.responses} responses")]
