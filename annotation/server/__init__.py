"""The embedded Argilla server: its environment, its start and stop, its backups."""

from annotation.server.backup import backup, restore
from annotation.server.launch import ServerInfo, down, status, up

__all__ = ["ServerInfo", "backup", "down", "restore", "status", "up"]
