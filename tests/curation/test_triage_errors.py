"""What people say of the prompts that triage had sorted, as error rates with intervals."""

import json
import random

from typer.testing import CliRunner

from curation.cli import app
from curation.rates import wilson
from curation.records import Triage, Verdict, make_prompt
from curation.triage.audits import estimate_errors


def prompts_of(count: int, languages=("en", "es")) -> list:
    return [make_prompt(f"prompt {n}", languages[n % len(languages)], category="history", intent="benign", method="mutation")
            for n in range(count)]  # fmt: skip


def verdict(prompt, said: str, simulated: bool = False) -> Verdict:
    return Verdict(prompt.id, said, 0.5, 2, 1.0, simulated)


def row(prompt, lane: str, batch: str = "b") -> Triage:
    return Triage(prompt.id, lane, 0.5, batch, "")


def test_rates_by_language_and_lane_against_what_was_said() -> None:
    prompts = prompts_of(12, ("en",))
    lanes = ["audit"] * 4 + ["confirm"] * 2 + ["control"] * 2 + ["decide"] * 2 + ["reject"] * 2
    said = [
        "benign",
        "benign",
        "harmful",
        "controversial",
        "benign",
        "harmful",
        "harmful",
        "benign",
        "benign",
        "harmful",
    ]
    found = estimate_errors([row(*each) for each in zip(prompts, lanes, strict=True)],
                            [verdict(prompt, word, word == "controversial") for prompt, word in zip(prompts, said, strict=False)],
                            {prompt.id: prompt for prompt in prompts})  # fmt: skip
    assert [(each.language, each.lane, each.said, each.wrong.hits, each.wrong.n) for each in found] == [
        ("en", "audit", "benign", 2, 4), ("en", "confirm", "benign", 1, 2), ("en", "control", "harmful", 1, 2)]  # fmt: skip
    audit = found[0]
    assert (audit.controversial, audit.simulated, audit.stands_for) == (1, 1, 2)
    assert audit.wrong == wilson(2, 4)
    assert audit.unseen() == (1.0, 2 * audit.wrong.low, 2 * audit.wrong.high)
    assert found[1].stands_for == 0  # the confirm lane is no random sample


def test_all_languages_together_come_last_and_nothing_is_said_without_verdicts() -> None:
    prompts = prompts_of(4)
    rows = [row(prompt, "audit") for prompt in prompts]
    known = {prompt.id: prompt for prompt in prompts}
    assert estimate_errors(rows, [], known) == []
    found = estimate_errors(rows, [verdict(prompt, "benign") for prompt in prompts], known)
    assert [(each.language, each.wrong.n) for each in found] == [("en", 2), ("es", 2), ("all", 4)]


def test_the_interval_holds_the_true_rate_about_as_often_as_it_says() -> None:
    """A random audit of 40 out of 400 rows, 15 % of them wrong, repeated: the interval covers at least nine times in ten."""
    random_ = random.Random(5)
    prompts = prompts_of(400, ("en",))
    known = {prompt.id: prompt for prompt in prompts}
    held = 0
    for _ in range(200):
        wrong = set(random_.sample(range(400), 60))
        picked = random_.sample(range(400), 40)
        rows = [row(prompt, "audit" if n in picked else "reject") for n, prompt in enumerate(prompts)]
        (found,) = estimate_errors(
            rows, [verdict(prompts[n], "harmful" if n in wrong else "benign") for n in picked], known
        )
        held += found.wrong.low <= 0.15 <= found.wrong.high
    assert held >= 180


def test_the_command_shows_n_and_interval(workspace, write) -> None:
    prompts = prompts_of(6, ("en",))
    write("seeds", prompts)
    write("triage", [row(prompt, "audit" if n < 4 else "reject") for n, prompt in enumerate(prompts)], Triage)
    write(
        "verdicts",
        [verdict(prompt, "harmful" if n == 0 else "benign") for n, prompt in enumerate(prompts[:4])],
        Verdict,
    )
    shown = CliRunner().invoke(app, ["triage", "--errors", "-p", str(workspace.root)]).stdout
    assert "25 % [5, 70] n=4" in shown and "of 2" in shown
    (found,) = json.loads(CliRunner().invoke(app, ["triage", "--errors", "-p", str(workspace.root), "--json"]).stdout)
    assert (found["wrong"]["hits"], found["wrong"]["n"], found["stands_for"]) == (1, 4, 2)
