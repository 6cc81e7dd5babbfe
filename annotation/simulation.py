"""Simulated annotators, for demos and tests: they log in and answer as people do, under names that say what they are.

Their answers follow from annotator and prompt alone, so that a simulation that was stopped goes on as if it had not
been.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from annotation.accounts import Account, Passwords, accounts_path, ensure_accounts, is_simulated, token_of
from annotation.batches import QUESTION, needed_answers, refresh
from annotation.datasets import all_datasets
from annotation.history import FOLLOW_UPS
from annotation.responses import project_datasets
from annotation.sessions.plan import OPEN, all_plans, dataset_of
from curation.progress import progress_bar
from curation.records import REASONS, Prompt, digest

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace

ERROR_RATE = 0.08  # answers the opposite of what the prompt's author meant
DEPENDS_RATE = 0.04
UNKNOWN = (("benign", 0.60), ("harmful", 0.75), ("depends", 0.95), ("unsure", 1.0))  # cumulative shares
ANSWERS_A_REQUEST = 20
Task = tuple[str, dict[str, str]]  # record id, and what to answer to each question
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
    """Answer every record that a simulated annotator has not, in queues and sessions; returns the answers given."""
    work = _queue_work(workspace, client)
    for account, tasks in session_tasks(workspace, client).items():
        work.setdefault(account, []).extend(tasks)
    total = sum(map(len, work.values()))
    stop = threading.Event()
    with progress_bar("simulated annotators", total=total) as advance, ThreadPoolExecutor(WORKERS) as pool:

        def answer(account: Account) -> int:
            token = token_of(client, workspace, account) if work[account] and not stop.is_set() else ""
            given = 0
            while given < len(work[account]) and not stop.is_set():
                part = work[account][given : given + ANSWERS_A_REQUEST]
                client.submit(token, dict(part))
                given += len(part)
                advance(len(part))
            return given

        answering = [pool.submit(answer, account) for account in work]
        try:
            return sum(task.result() for task in answering)
        finally:
            stop.set()  # an error or Ctrl-C ends the other annotators at once


def _queue_work(workspace: Workspace, client: Client) -> dict[Account, list[Task]]:
    """What the simulated annotators of each language have not answered in its queues."""
    intents = {key: prompt.intent for key, prompt in workspace.prompts().items()}
    accounts = ensure_accounts(workspace, client, simulated=True)
    users = client.users()
    work: dict[Account, list[Task]] = {account: [] for account in accounts}
    for dataset, language in project_datasets(workspace, client):
        refresh(client, dataset, needed_answers(workspace, client, dataset["workspace_id"]))
        for record in client.records(dataset["id"], responses=True):
            prompt_id = record["external_id"]
            if prompt_id not in intents:
                continue
            answered = {response["user_id"] for response in record.get("responses") or ()}
            for account in accounts:
                if account.language == language and users[account.username]["id"] not in answered:
                    said = simulated_answer(account.username, prompt_id, intents[prompt_id])
                    work[account].append((record["id"], {QUESTION: said}))
    return work


def session_tasks(workspace: Workspace, client: Client) -> dict[Account, list[Task]]:
    """What simulated annotators have not answered of what open sessions ask them."""
    prompts, spaces, datasets = workspace.prompts(), client.workspaces(), all_datasets(client)
    work: dict[Account, list[Task]] = {}
    for plan in all_plans(workspace):
        for place in plan.now() if plan.state == OPEN else ():
            dataset = dataset_of(plan, place, spaces, datasets)
            if dataset is None or not is_simulated(place.annotator):
                continue
            password = Passwords(accounts_path(workspace), client.server).of(place.annotator) or ""
            tasks = work.setdefault(Account(place.annotator, place.language, password), [])
            for record in client.records(dataset["id"], responses=True):
                prompt = prompts.get(record["external_id"])
                if prompt is not None and not record.get("responses"):
                    tasks.append((record["id"], simulated_form(place.annotator, prompt)))
    return work


def simulated_form(annotator: str, prompt: Prompt) -> dict[str, str]:
    """All that a simulated annotator says in a session: an answer, mostly a reason, the category it was written for."""
    draw = int(digest("simulated reason", annotator, prompt.id)[:8], 16)
    form = {QUESTION: simulated_answer(annotator, prompt.id, prompt.intent)}
    if draw % 4:
        form["reason"] = REASONS[draw // 4 % len(REASONS)]
    if prompt.category in FOLLOW_UPS["category"]:
        form["category"] = prompt.category
    form["naturalness"] = "odd" if draw % 7 == 0 else "natural"
    return form
