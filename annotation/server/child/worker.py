"""The job worker: a thread beside the server, for webhooks and for status updates after a change of distribution."""

from __future__ import annotations

import logging
import threading
from typing import Any

from rq import SimpleWorker
from rq.registry import ScheduledJobRegistry
from rq.scheduler import RQScheduler
from rq.timeouts import TimerDeathPenalty

LOGGER = logging.getLogger("morbench.jobs")
PAUSE = 0.3
AFTER_ERROR = 10.0


class ThreadWorker(SimpleWorker):
    """A worker that needs no signals and so may run outside the main thread."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        """Signals belong to the server."""


class Worker(threading.Thread):
    """Works jobs off until it is stopped; ``stop`` finishes those that wait."""

    def __init__(self, queues: list[Any], connection: Any) -> None:
        super().__init__(name="morbench-jobs", daemon=True)
        self.queues = queues
        self.connection = connection
        self._end = threading.Event()

    def run(self) -> None:
        """Loop: bring back jobs whose retry is due, work, rest."""
        while not self._end.wait(PAUSE):
            self._round()
        self._round()

    def stop(self, seconds: float) -> bool:
        """Ask for the end and wait; True when nothing was left behind."""
        self._end.set()
        self.join(seconds)
        return not self.is_alive() and not any(queue.count for queue in self.queues)

    def _round(self) -> None:
        try:
            if any(ScheduledJobRegistry(queue=queue).count for queue in self.queues):
                scheduler = RQScheduler(self.queues, connection=self.connection)
                scheduler.acquire_locks()
                try:
                    scheduler.enqueue_scheduled_jobs()
                finally:
                    scheduler.release_locks()
            if any(queue.count for queue in self.queues):
                ThreadWorker(self.queues, connection=self.connection).work(burst=True, logging_level="WARNING")
        except Exception:  # a job that fails must never take the worker with it
            LOGGER.exception("the job worker met an error and goes on")
            self._end.wait(AFTER_ERROR)
