"""Every error that morbench raises on purpose.

MorbenchError                a user can mend it: one line, exit code 2
├── ConfigError              morbench.toml
├── PackError                a language pack
├── InputError               a file or argument that the user gave
├── WorkspaceError           the project's folder: locked, no project, damaged
│   └── StorageError         the disk: full, not writable
├── WeightsError             packaged weights: missing, wrong digest
├── ModelError               a model that cannot be used as asked
├── ServerError              the embedded Argilla server
├── AnnotationError          queue, accounts, responses
└── ReleaseError             a version that may not be built or does not verify
"""

from __future__ import annotations


class MorbenchError(Exception):
    """A problem the user can mend: `message` says what and where, `fix` says what to do."""

    exit_code = 2

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """One line: what is wrong, where, and what to do."""
        line = " ".join(self.message.split())
        return f"{line}; {' '.join(self.fix.split())}" if self.fix else line


class ConfigError(MorbenchError):
    """morbench.toml cannot be read or holds something unknown."""


class PackError(MorbenchError):
    """A language pack is missing, broken or incomplete."""


class InputError(MorbenchError):
    """A file or argument that the user gave cannot be used."""


class WorkspaceError(MorbenchError):
    """The project's folder is locked, is no project, or is damaged."""


class StorageError(WorkspaceError):
    """The disk is full or cannot be written."""


class WeightsError(MorbenchError):
    """Packaged weights are missing or have the wrong digest."""


class ModelError(MorbenchError):
    """A model cannot be loaded or used as asked."""


class ServerError(MorbenchError):
    """The embedded Argilla server could not be made, started or reached."""


class AnnotationError(MorbenchError):
    """Queues, accounts or responses are not as they must be."""


class ReleaseError(MorbenchError):
    """A version of the benchmark may not be built, or does not verify."""
