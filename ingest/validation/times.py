"""Moments as integer milliseconds since 1970 UTC, with the rows that are none."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.errors import MappingError
from ingest.mapping.cells import TimeCell
from ingest.readers.rows import Bools
from ingest.validation.frame import as_text, bools
from ingest.validation.numbers import numbers

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_ISO = f"^{_DAY}({_CLOCK})?$"
_ISO_ZONED = f"^{_DAY}{_CLOCK}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$"
_MS_PER = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}


def milliseconds(values: pa.Array, cell: TimeCell) -> tuple[pa.Array, Bools]:
    """Int64 milliseconds (null where empty or bad), and which rows are no moment in the declared range."""
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        moments = _in_utc(values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None))), cell.time_zone)
        result = moments
    elif cell.unit is not None:
        result = _from_numbers(values, cell.unit)
    else:
        text = pc.utf8_trim_whitespace(as_text(values))
        result = _from_format(text, cell) if cell.format is not None else _from_iso(text, cell.time_zone)
    outside = bools(pc.or_(pc.less(result, _bound(cell.earliest)), pc.greater_equal(result, _bound(cell.latest))))
    if outside.any():
        result = pc.if_else(pa.array(outside), pa.scalar(None, pa.int64()), result)
    return result, bools(pc.and_(values.is_valid(), result.is_null()))


def _bound(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _from_numbers(values: pa.Array, unit: str) -> pa.Array:
    floats, _ = numbers(values)
    scaled = pc.multiply(floats, _MS_PER[unit])
    usable = pc.less(pc.abs(scaled), float(2**53))
    return pc.round(pc.if_else(usable, scaled, pa.scalar(None, pa.float64()))).cast(pa.int64())


def _in_utc(moments: pa.Array, time_zone: str) -> pa.Array:
    """Milliseconds of Arrow timestamps; those without a zone are read in ``time_zone``.

    An hour that comes twice in autumn is read as its first; one that is skipped in spring as the moment of the skip.
    """
    if moments.type.tz is None and time_zone != "UTC":
        try:
            moments = pc.assume_timezone(moments, time_zone, ambiguous="earliest", nonexistent="latest")
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise MappingError(
                "unknown time zone", expected="a name such as Europe/London", got=time_zone, where="time_zone"
            ) from error
    return pc.floor_temporal(moments, unit="millisecond").cast(pa.timestamp("ms", moments.type.tz)).cast(pa.int64())


def _from_iso(text: pa.Array, time_zone: str) -> pa.Array:
    # Nanoseconds are cut: the store keeps milliseconds.
    text = pc.replace_substring_regex(text, pattern=r"(\.[0-9]{6})[0-9]+", replacement=r"\1")
    naive = bools(pc.match_substring_regex(text, pattern=_ISO))
    result = _in_utc(_cast(_only(text, naive), None), time_zone)
    if naive.all():
        return result
    zoned = bools(pc.match_substring_regex(text, pattern=_ISO_ZONED))
    if not zoned.any():
        return result
    return pc.coalesce(result, _in_utc(_cast(_only(text, zoned), "UTC"), time_zone))


def _only(text: pa.Array, rows: Bools) -> pa.Array:
    return text if rows.all() else pc.if_else(pa.array(rows), text, pa.scalar(None, pa.string()))


def _cast(text: pa.Array, zone: str | None) -> pa.Array:
    kind = pa.timestamp("us", tz=zone)
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        # Some row has the right shape and no such day (30 February): find it, value by value.
        moments = [_moment(value, zone is not None) for value in text.to_pylist()]
        return pa.array(moments, kind)


def _moment(value: str | None, zoned: bool) -> datetime | None:
    try:
        moment = None if value is None else datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment is None or (moment.tzinfo is not None) != zoned:
        return None
    return moment


def _from_format(text: pa.Array, cell: TimeCell) -> pa.Array:
    # Arrow's strptime takes 30 February for 2 March; DuckDB's refuses it.
    encoded = text.dictionary_encode()
    connection = duckdb.connect(config={"threads": 1})
    try:
        connection.register("texts", pa.table({"place": np.arange(len(encoded.dictionary)), "t": encoded.dictionary}))
        query = "SELECT try_strptime(t, $1) AS moment FROM texts ORDER BY place"
        table: pa.Table = connection.sql(query, params=[cell.format]).to_arrow_table()
    except duckdb.Error as error:
        raise MappingError(
            "the time format cannot be used",
            expected="strptime marks such as %Y-%m-%d %H:%M:%S",
            got=cell.format,
            remedy=str(error).splitlines()[0],
        ) from error
    finally:
        connection.close()
    parsed = pa.concat_arrays(table.column("moment").chunks or [pa.array([], pa.timestamp("us"))])
    moments = parsed.cast(pa.timestamp("us", tz=parsed.type.tz))
    return _in_utc(moments, cell.time_zone).take(encoded.indices)
