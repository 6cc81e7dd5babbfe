"""Which datasets have records whose status disagrees with their answers: the job that sees to it may have been lost."""

from __future__ import annotations

from uuid import UUID

from argilla_server.enums import RecordStatus, ResponseStatus
from argilla_server.models import Dataset, Record, Response
from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession


async def datasets_to_mend(db: AsyncSession) -> list[UUID]:
    """Ready datasets with at least one record that is wrongly pending or wrongly completed."""
    found: list[UUID] = []
    for dataset in (await db.execute(select(Dataset))).scalars().all():
        needed = (dataset.distribution or {}).get("min_submitted")
        if not dataset.is_ready or needed is None:
            continue
        submitted = func.sum(case((Response.status == ResponseStatus.submitted, 1), else_=0))
        rows = await db.execute(
            select(Record.status, submitted)
            .join(Response, Response.record_id == Record.id)
            .where(Record.dataset_id == dataset.id)
            .group_by(Record.id)
        )
        if any((status == RecordStatus.completed) != (count >= needed) for status, count in rows):
            found.append(dataset.id)
    return found
