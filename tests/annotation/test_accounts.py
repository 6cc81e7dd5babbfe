from __future__ import annotations

import json
import stat

import pytest

from annotation.accounts import accounts_path, ensure_accounts, is_simulated
from annotation.client import Client
from annotation.testing import FakeArgilla
from curation.errors import AnnotationError
from curation.workspace import Workspace


def test_accounts_are_made_once(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    first = ensure_accounts(workspace, client)
    assert [account.username for account in first[:3]] == ["en-annotator-1", "en-annotator-2", "en-annotator-3"]
    assert set(client.workspaces()) == {"en", "ar"}
    before = len([method for method, _ in fake.requests if method != "GET"])
    assert ensure_accounts(workspace, client) == first
    assert len([method for method, _ in fake.requests if method != "GET"]) == before
    for account in first:
        assert client.login(account.username, account.password)


def test_passwords_are_private_random_and_never_shown(workspace: Workspace, client: Client) -> None:
    accounts = ensure_accounts(workspace, client)
    path = accounts_path(workspace)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text().endswith("*\n")
    assert len({account.password for account in accounts}) == len(accounts)
    assert all(len(account.password) >= 20 and account.password not in repr(account) for account in accounts)


def test_a_stop_at_any_request_is_made_good_by_the_next_run(workspace: Workspace) -> None:
    reached = 0
    for requests in range(60):
        fake = FakeArgilla()
        with fake.client(server="embedded") as client:
            accounts_path(workspace).unlink(missing_ok=True)
            fake.fail_after(requests)
            try:
                ensure_accounts(workspace, client)
                break
            except AnnotationError as error:
                assert "no answer" in error.message
            fake.fail_after(None)
            accounts = ensure_accounts(workspace, client)
            assert all(client.login(account.username, account.password) for account in accounts)
            assert [len(members) for members in fake.members.values()] == [3, 3]
        reached = requests
    assert reached > 10


def test_a_lost_file_is_made_anew_on_the_own_server_only(workspace: Workspace, fake: FakeArgilla) -> None:
    with fake.client(server="embedded") as client:
        first = ensure_accounts(workspace, client)
        accounts_path(workspace).unlink()
        second = ensure_accounts(workspace, client)
        assert all(client.login(account.username, account.password) for account in second)
        assert {account.password for account in first}.isdisjoint(account.password for account in second)
    with fake.client() as remote:
        with pytest.raises(AnnotationError, match="its password is not in") as caught:
            ensure_accounts(workspace, remote)
        assert "--reset-passwords" in caught.value.fix
        third = ensure_accounts(workspace, remote, reset=True)
        assert all(remote.login(account.username, account.password) for account in third)
    servers = json.loads(accounts_path(workspace).read_text())
    assert set(servers) == {"embedded", "http://argilla.test"}


def test_an_owner_is_never_taken_for_an_annotator(workspace: Workspace, client: Client, fake: FakeArgilla) -> None:
    fake.add_user("en-annotator-1", "admin", "their-password")
    with pytest.raises(AnnotationError, match="has role 'admin'"):
        ensure_accounts(workspace, client)
    assert client.login("en-annotator-1", "their-password")


def test_a_broken_file_is_named(workspace: Workspace, client: Client) -> None:
    ensure_accounts(workspace, client)
    for text in ("{", "[]", '{"embedded": 1}'):
        accounts_path(workspace).write_text(text)
        with pytest.raises(AnnotationError, match=r"accounts\.json"):
            ensure_accounts(workspace, client)


def test_simulated_is_in_the_name(workspace: Workspace, client: Client) -> None:
    assert all(account.simulated for account in ensure_accounts(workspace, client, simulated=True))
    assert not any(account.simulated for account in ensure_accounts(workspace, client))
    assert is_simulated("zh-Hant-simulated-12")
    assert not is_simulated("simulated-1x")
    assert not is_simulated("en-simulated-1\n")
