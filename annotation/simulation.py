"""Simulated annotators, for demos and tests: they log in and answer as people do, under names that say what they are.

Their answers follow from annotator and prompt alone, so that a simulation that was stopped goes on as if it had not
been.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from annotation.accounts import Account, ensure_accounts, token_of
from annotation.batches import QUESTION, needed_answers, refresh
from annotation.responses import project_datasets
from curation.progress import progress_bar
from curation.records import digest

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace

ERROR_RATE = 0.08  # answers the opposite of what the prompt's author meant
DEPENDS_RATE = 0.04
UNKNOWN = (("benign", 0.60), ("harmful", 0.75), ("depends", 0.95), ("unsure", 1.0))  # cumulative shares
ANSWERS_A_REQUEST = 20
WORKERS = 2  # the embedded server has one writer: more would only wait


def simulated_answer(annotator: str, prompt_id: str, intent: str) -> str:
    """What a simulated annotator answers; the same each time it is asked."""
    draw = int(digest("simulated answer", annotator, prompt_id)[:13], 16) / 16**13
    if intent not in ("benign", "harmful"):
        return next(answer for answer, limit in UNKNOWN if draw < limit)
    if draw < ERROR_RATE:
        return "harmful" if intent == "benign" else "benign"
    return "depends" if draw < ERROR_RATE + DEPENDS_RATE else intent


def simulate(workspace: Workspace, client: Client) -> int:
    """Answer every record that a simulated annotator of its language has not; returns the number of answers given."""
    intents = {key: prompt.intent for key, prompt in workspace.prompts().items()}
    accounts = ensure_accounts(workspace, client, simulated=True)
    users = client.users()
    work: dict[Account, list[tuple[str, str]]] = {account: [] for account in accounts}
    for dataset, language, records in project_datasets(workspace, client):
        refresh(client, dataset, needed_answers(workspace, client, dataset["workspace_id"]))
        for record in records:
            if record["external_id"] not in intents:
                continue
            answered = {response["user_id"] for response in record.get("responses") or ()}
            for account in accounts:
                if account.language == language and users[account.username]["id"] not in answered:
                    work[account].append((record["id"], record["external_id"]))
    total = sum(map(len, work.values()))
    stop = threading.Event()
    with progress_bar("simulated annotators", total=total) as advance, ThreadPoolExecutor(WORKERS) as pool:

        def answer(account: Account) -> int:
            token = token_of(client, workspace, account) if work[account] and not stop.is_set() else ""
            given = 0
            while given < len(work[account]) and not stop.is_set():
                part = work[account][given : given + ANSWERS_A_REQUEST]
                answers = {
                    record_id: {QUESTION: simulated_answer(account.username, prompt_id, intents[prompt_id])}
                    for record_id, prompt_id in part
                }
                client.submit(token, answers)
                given += len(part)
                advance(len(part))
            return given

        tasks = [pool.submit(answer, account) for account in accounts]
        try:
            return sum(task.result() for task in tasks)
        finally:
            stop.set()  # an error or Ctrl-C ends the other annotators at once
