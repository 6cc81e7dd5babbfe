"""The argilla SDK, quiet and with this project's errors: it makes datasets and logs records."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from curation.errors import AnnotationError

if TYPE_CHECKING:
    import argilla

    from annotation.client import Client


@contextlib.contextmanager
def sdk_session(client: Client) -> Iterator[argilla.Argilla]:
    """The SDK, connected to the client's server; its bars, warnings and log handlers stay off the terminal."""
    try:
        import argilla
    except ImportError as exc:
        raise AnnotationError(
            f"the argilla SDK cannot be imported ({exc})", fix="pip install argilla requests"
        ) from exc
    import httpx
    from argilla._exceptions import ArgillaError
    from pydantic import ValidationError

    # The SDK takes no transport, but hands `mounts` to httpx: that is how a fake server gets in.
    extra = {} if client.transport is None else {"mounts": {"all://": client.transport}}
    handlers = list(logging.root.handlers)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            sdk = argilla.Argilla(client.url, client.api_key, timeout=int(client.timeout), retries=1, **extra)
            try:
                yield sdk
            finally:
                sdk.http_client.close()
        except (ArgillaError, httpx.HTTPError) as exc:
            raise _translated(client, exc) from exc
        except ValidationError as exc:
            raise AnnotationError(f"{client.url} did not answer as Argilla does ({exc.error_count()} odd values)",
                                  fix="check that the server is Argilla 2.8 or newer") from exc  # fmt: skip
        finally:
            logging.root.handlers[:] = handlers  # the SDK logs through the root, which gives it a handler for good


def _translated(client: Client, exc: BaseException) -> AnnotationError:
    import httpx
    from argilla._exceptions import ArgillaError

    while isinstance(exc, ArgillaError) and isinstance(exc.__cause__, (ArgillaError, httpx.RequestError)):
        exc = exc.__cause__  # the SDK wraps what the server said in less telling words
    if isinstance(exc, httpx.HTTPError):
        return client.unreachable(exc)
    return client.refused("a request of", "the argilla SDK", int(getattr(exc, "status_code", 400)), str(exc))
