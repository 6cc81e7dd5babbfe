"""The annotators' accounts: one workspace a language, random passwords, kept in a file that only the user can read."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import AnnotationError
from curation.storage import storage_errors, write_text

if TYPE_CHECKING:
    from annotation.client import Client
    from curation.workspace import Workspace

_WRITING = threading.Lock()
SIMULATED = re.compile(r".+-simulated-[0-9]+\Z")


@dataclasses.dataclass(frozen=True)
class Account:
    """One annotator of one language; the password is not shown by repr."""

    username: str
    language: str
    password: str = dataclasses.field(repr=False)

    @property
    def simulated(self) -> bool:
        """Whether this is no person; the mark is in the name, so that it can never be lost."""
        return is_simulated(self.username)


def is_simulated(username: str) -> bool:
    """Whether an annotator's name says that it is simulated."""
    return SIMULATED.match(username) is not None


def account_names(language: str, count: int, *, simulated: bool = False) -> list[str]:
    """The names of a language's annotators."""
    return [f"{language}-{'simulated' if simulated else 'annotator'}-{number}" for number in range(1, count + 1)]


def private_folder(workspace: Workspace) -> Path:
    """`<project>/annotation`: made with mode 0700 and kept out of git."""
    folder = workspace.root / "annotation"
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    if not (folder / ".gitignore").exists():
        write_text(folder / ".gitignore", "# passwords and the server's data: not for a repository\n*\n")
    return folder


def accounts_path(workspace: Workspace) -> Path:
    """Where the passwords lie."""
    return workspace.root / "annotation" / "accounts.json"


def ensure_accounts(
    workspace: Workspace, client: Client, *, simulated: bool = False, reset: bool = False
) -> list[Account]:
    """Make the workspaces and accounts that are missing on the server; those that are there stay as they are.

    An account whose password is not in the file gets a new one on the embedded server; on another server only with
    `reset`, because people may be using it.
    """
    private_folder(workspace)
    passwords = Passwords(accounts_path(workspace), client.server)
    users, spaces = client.users(), client.workspaces()
    found = []
    for language in workspace.config.project.languages:
        if language not in spaces:
            spaces[language] = client.json("POST", "/api/v1/workspaces", json={"name": language})["id"]
        members = {row["username"] for row in client.items(f"/api/v1/workspaces/{spaces[language]}/users")}
        for name in account_names(language, workspace.config.queue.annotators, simulated=simulated):
            user = _annotator(users, name, client, fix="rename or delete that user")
            if user is None:
                user = _create(client, name, passwords.of(name) or passwords.new(name))
            elif not passwords.of(name) or reset:
                if not (client.embedded or simulated or reset):
                    raise AnnotationError(
                        f"the user {name!r} on {client.url} exists, but its password is not in {passwords.path}",
                        fix="run `morbench annotate users --reset-passwords`, or delete that user",
                    )
                _set_password(client, user["id"], passwords.new(name))
            if name not in members:
                client.request(
                    "POST", f"/api/v1/workspaces/{spaces[language]}/users", json={"user_id": user["id"]}, accept=(409,)
                )
            found.append(Account(name, language, passwords.of(name) or ""))
    return found


def _annotator(users: dict[str, dict[str, Any]], name: str, client: Client, *, fix: str) -> dict[str, Any] | None:
    """The annotator of that name, None where there is nobody; raises where that user has another role."""
    user = users.get(name)
    if user is not None and user["role"] != "annotator":
        raise AnnotationError(f"the user {name!r} on {client.url} has role {user['role']!r}, not annotator", fix=fix)
    return user


def ensure_people(workspace: Workspace, client: Client, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The users of these names, made where they are missing, as annotators; those that are there stay as they are."""
    private_folder(workspace)
    passwords = Passwords(accounts_path(workspace), client.server)
    users = client.users()
    found = {}
    for name in names:
        user = _annotator(users, name, client, fix="name an annotator: others see everybody's answers")
        if user is None:
            user = _create(client, name, passwords.of(name) or passwords.new(name))
        elif not passwords.of(name) and (client.embedded or is_simulated(name)):
            _set_password(client, user["id"], passwords.new(name))
        found[name] = user
    return found


def token_of(client: Client, workspace: Workspace, account: Account) -> str:
    """A bearer token of an account; a simulated one whose password was changed on the server gets a new one."""
    token = client.login(account.username, account.password)
    if token is None and account.simulated:
        with _WRITING:  # several annotators may log in at once
            password = Passwords(accounts_path(workspace), client.server).new(account.username)
        _set_password(client, client.users()[account.username]["id"], password)
        token = client.login(account.username, password)
    if token is None:
        raise AnnotationError(
            f"{client.url} does not accept the password of {account.username!r} in {accounts_path(workspace)}",
            fix="run `morbench annotate users --reset-passwords`",
        )
    return token


class Passwords:
    """The passwords of one server's accounts, written to the file before the server learns them."""

    def __init__(self, path: Path, server: str) -> None:
        self.path = path
        self.server = server
        self._all = self._read()

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise AnnotationError(
                f"cannot read the passwords in {self.path}: {exc}",
                fix="restore the file, or delete it: `morbench annotate users` makes new ones",
            ) from exc
        if not isinstance(raw, dict) or not all(isinstance(entry, dict) for entry in raw.values()):
            raise AnnotationError(f"{self.path} is not a file of passwords", fix="restore it, or delete it")
        return raw

    def of(self, name: str) -> str | None:
        """The password of an account, None where the file has none."""
        return self._all.get(self.server, {}).get(name)

    def names(self) -> list[str]:
        """The accounts that have a password here."""
        return list(self._all.get(self.server, {}))

    def new(self, name: str) -> str:
        """Draw a password and write the file."""
        password = secrets.token_urlsafe(18)
        self._all.setdefault(self.server, {})[name] = password
        write_text(self.path, json.dumps(self._all, indent=1, sort_keys=True) + "\n", mode=0o600)
        return password


def _create(client: Client, name: str, password: str) -> dict[str, Any]:
    body = {"username": name, "first_name": name, "role": "annotator", "password": password}
    return dict(client.json("POST", "/api/v1/users", json=body))


def _set_password(client: Client, user_id: str, password: str) -> None:
    answer = client.request("PATCH", f"/api/v1/users/{user_id}", json={"password": password}, accept=(404, 405))
    if answer.status_code >= 400:
        raise AnnotationError(
            f"{client.url} cannot change a user's password", fix="delete that user in Argilla and run this again"
        )
