"""The steps of a session as commands take them. Each can be killed anywhere and run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotation.responses import STEP, pull_responses
from annotation.sessions.changing import mark, still_open
from annotation.sessions.feedback import Feedback, write_feedback
from annotation.sessions.plan import CALIBRATION, CLOSED, Plan
from annotation.sessions.progress import Progress, session_progress
from annotation.sessions.pushing import Pushed, push_session, set_open
from curation.records import Response

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace


class Advanced(NamedTuple):
    """What an advance did."""

    feedback: list[Feedback]  # of everybody whose practice is complete
    pushed: list[Pushed]


class Closed(NamedTuple):
    """What a close gathered."""

    plan: Plan
    answers: int  # that the session brought, earlier versions of changed ones among them
    left: list[Progress]  # where items were left open


def advance(workspace: Workspace, client: Client, plan: Plan) -> Advanced:
    """Pull the answers, tell those who finished practice how they did, and send everybody what is due."""
    still_open(plan)
    pull_responses(workspace, client)
    done = [row.place for row in session_progress(client, plan)
            if row.place.round == CALIBRATION and row.sent and not row.left]  # fmt: skip
    feedback = [write_feedback(workspace, plan, place) for place in done]
    return Advanced(feedback, push_session(workspace, client, plan))


def pause(workspace: Workspace, client: Client, plan: Plan) -> Plan:
    """Take the session out of everybody's sight; answers stay."""
    plan = mark(workspace, plan, "pause")
    set_open(workspace, client, plan, inside=False)
    return plan


def resume(workspace: Workspace, client: Client, plan: Plan) -> Plan:
    """Bring a paused session back."""
    plan = mark(workspace, plan, "resume")
    set_open(workspace, client, plan, inside=True)
    return plan


def close(workspace: Workspace, client: Client, plan: Plan) -> Closed:
    """Shut the queues, gather every answer, then mark the plan closed. Argilla keeps the datasets."""
    progress = session_progress(client, plan)
    if plan.state != CLOSED:
        plan = pause(workspace, client, plan)
        pull_responses(workspace, client, everything=True)
        plan = mark(workspace, plan, "close")
    answers = sum(row.session == plan.name for row in workspace.table(Response).rows([STEP]))
    return Closed(plan, answers, [row for row in progress if row.left])
