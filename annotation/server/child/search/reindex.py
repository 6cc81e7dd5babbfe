"""Rebuilding the index from Argilla's own database: the database is the truth, the index can always be made again."""

from __future__ import annotations

import logging

from argilla_server.database import AsyncSessionLocal
from argilla_server.models import Dataset, Record, Response, Suggestion, Vector
from argilla_server.search_engine.commons import es_index_name_for_dataset
from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from .engine import SQLiteSearchEngine, store
from .tables import MissingIndex

LOGGER = logging.getLogger("morbench.search")
PAGE = 200


async def reindex(force: bool) -> int:
    """Rebuild every index that disagrees with the database, or all of them; the number rebuilt."""
    engine = SQLiteSearchEngine()
    rebuilt = 0
    async with AsyncSessionLocal(autoflush=False) as db:  # indexing changes records in memory: never write that
        datasets = [one for one in (await db.execute(_datasets())).scalars() if one.is_ready]
        kept = {es_index_name_for_dataset(dataset) for dataset in datasets}
        for name in store().names():
            if name not in kept:
                store().delete(name)
        for dataset in datasets:
            if force or await _differs(db, dataset):
                await _rebuild(db, engine, dataset)
                rebuilt += 1
    if rebuilt:
        LOGGER.warning("rebuilt the search index of %d datasets", rebuilt)
    return rebuilt


def _datasets() -> Select[tuple[Dataset]]:
    return (
        select(Dataset)
        .order_by(Dataset.inserted_at.asc())
        .options(
            selectinload(Dataset.fields),
            selectinload(Dataset.questions),
            selectinload(Dataset.metadata_properties),
            selectinload(Dataset.vectors_settings),
        )
    )


async def _differs(db: AsyncSession, dataset: Dataset) -> bool:
    try:
        held = store().counts(es_index_name_for_dataset(dataset))
    except MissingIndex:
        return True
    inside = select(Record.id).where(Record.dataset_id == dataset.id)
    counts = [
        (await db.execute(select(func.count(Record.id)).where(Record.dataset_id == dataset.id))).scalar_one(),
        (await db.execute(select(func.count(Response.id)).where(Response.record_id.in_(inside)))).scalar_one(),
        (await db.execute(select(func.count(Vector.id)).where(Vector.record_id.in_(inside)))).scalar_one(),
    ]
    return tuple(counts) != held


async def _rebuild(db: AsyncSession, engine: SQLiteSearchEngine, dataset: Dataset) -> None:
    await engine.create_index(dataset)
    # The row number settles the order of records that came in at the same microsecond.
    order = (Record.inserted_at.asc(), text("records.rowid"))
    ids = list((await db.execute(select(Record.id).where(Record.dataset_id == dataset.id).order_by(*order))).scalars())
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE]
        found = await db.execute(
            select(Record)
            .where(Record.id.in_(page))
            .options(
                selectinload(Record.dataset),
                selectinload(Record.responses).selectinload(Response.user),
                selectinload(Record.suggestions).selectinload(Suggestion.question),
                selectinload(Record.vectors).selectinload(Vector.vector_settings),
            )
        )
        records = {record.id: record for record in found.scalars()}
        await engine.index_records(dataset, [records[key] for key in page if key in records])
        for record in records.values():
            db.expunge(record)
