"""Readers: every row with its line, every bad row by itself, whatever the block size."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.errors import InputError, NotFound
from ingest.mapping.tables import Delimited, JsonLines, JsonObject, Lists, Parquet, Reading
from ingest.readers import json_object as json_object_module
from ingest.readers import read_rows
from ingest.readers.delimited import _parsed  # the parser behind blocks, to choose the block size
from ingest.readers.lines import read_blocks
from ingest.readers.records import with_quoted_line_ends
from ingest.readers.rows import Reject

CSV = Delimited(format="delimited", header="none", columns=("a", "b"))
Row = tuple[object, ...]


def rows_of(path: Path, shape: Reading) -> tuple[list[Row], list[int], list[Reject]]:
    rows: list[Row] = []
    lines: list[int] = []
    rejects: list[Reject] = []
    for batch in read_rows(path, shape):
        rejects += batch.rejects
        lines += batch.lines.tolist()
        rows += list(zip(*(column.to_pylist() for column in batch.columns.values()), strict=True))
    return rows, lines, rejects


def in_blocks(path: Path, block_bytes: int, delimiter: str = ",") -> tuple[list[Row], list[int], list[Reject]]:
    rows: list[Row] = []
    lines: list[int] = []
    rejects: list[Reject] = []
    for block in with_quoted_line_ends(read_blocks(path, block_bytes=block_bytes), delimiter, '"'):
        filled = block.kept(np.diff(block.starts) > 1)
        batch = _parsed(filled, ["a", "b"], CSV, delimiter, True)
        rejects += batch.rejects
        lines += batch.lines.tolist()
        rows += list(zip(*(column.to_pylist() for column in batch.columns.values()), strict=True))
    return rows, lines, sorted(rejects)


cells = st.text(st.sampled_from('ab ,"\n\r;é日'), max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, cells), max_size=12), st.integers(1, 60), st.booleans())
def test_quoted_files_read_as_the_csv_module_reads_them(
    tmp_path: Path, table: list[tuple[str, str]], block_bytes: int, dos: bool
) -> None:
    # A carriage return inside a cell becomes part of a line end on the way; it is tested on its own.
    table = [(a.replace("\r", ""), b.replace("\r", "")) for a, b in table]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL).writerows(table)
    content = text.getvalue().replace("\n", "\r\n") if dos else text.getvalue()
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    rows, _, rejects = in_blocks(path, block_bytes)
    assert rows == table
    assert not rejects


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=120), st.integers(1, 50))
def test_any_bytes_are_rows_or_rejects_and_blocks_do_not_matter(tmp_path: Path, data: bytes, block_bytes: int) -> None:
    path = tmp_path / "bytes.csv"
    path.write_bytes(b"," + data)  # so that no bytes look like a packed file
    assert in_blocks(path, block_bytes) == in_blocks(path, 1 << 20)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from('a,"\n\r\0'), max_size=40), st.integers(1, 20))
def test_stray_quotes_cost_their_own_rows_only_whatever_the_blocks(tmp_path: Path, text: str, block_bytes: int) -> None:
    path = tmp_path / "quotes.csv"
    path.write_bytes(text.encode())
    small, large = in_blocks(path, block_bytes), in_blocks(path, 1 << 20)
    assert small == large


def test_rows_after_a_quoted_line_end_have_their_own_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('x,"one\ntwo"\n\ny,z\n')
    assert rows_of(path, CSV)[:2] == ([("x", "one\ntwo"), ("y", "z")], [1, 4])


def test_ragged_rows_are_rejected_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1\n2,3\n4,5,6\n7,8\n")
    rows, lines, rejects = rows_of(path, CSV)
    assert rows == [("a", "b"), ("2", "3"), ("7", "8")]
    assert lines == [1, 3, 5]
    assert [(r.line, r.reason) for r in rejects] == [
        (2, "the row has 1 cells, not 2"),
        (4, "the row has 3 cells, not 2"),
    ]


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('1,2\n3,"open\n5,6\n7,8\n')
    rows, lines, rejects = rows_of(path, CSV)
    assert rows == [("1", "2"), ("5", "6"), ("7", "8")]
    assert lines == [1, 3, 4]
    assert [(r.line, r.value) for r in rejects] == [(2, '3,"open')]


def test_an_inch_mark_inside_a_cell_is_content(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('1,17" LAPTOP\n2,5" x 6"\n3,"7"" nail"\n')
    assert rows_of(path, CSV)[0] == [("1", '17" LAPTOP'), ("2", '5" x 6"'), ("3", '7" nail')]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_packed_files_are_unpacked_by_their_content(tmp_path: Path, pack: object) -> None:
    path = tmp_path / "t.csv"
    assert callable(pack)
    path.write_bytes(pack(b"\xef\xbb\xbf1,2\r\n3,4\r\n"))
    assert rows_of(path, CSV)[0] == [("1", "2"), ("3", "4")]


def test_a_zstandard_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.zst"
    path.write_bytes(pa.Codec("zstd").compress(b"1,2\n3,4\n", asbytes=True))
    assert rows_of(path, CSV)[0] == [("1", "2"), ("3", "4")]


def test_a_cut_gzip_file_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"1,2\n" * 10_000)[:-20])
    with pytest.raises(InputError, match="damaged"):
        rows_of(path, CSV)


def test_an_absent_file_is_not_found(tmp_path: Path) -> None:
    for shape in (CSV, Parquet(format="parquet"), JsonObject(format="json_object")):
        with pytest.raises(NotFound):
            rows_of(tmp_path / "none", shape)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "latin-1"])
def test_declared_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("café,naïve\n1,2\n".encode(encoding))
    shape = Delimited(format="delimited", header="first_line", encoding=encoding)
    batches = list(read_rows(path, shape))
    assert list(batches[0].columns) == ["café", "naïve"]


def test_only_the_lines_in_a_wrong_encoding_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"1,caf\xe9\n2,tea\n3,\x00\n")
    rows, lines, rejects = rows_of(path, CSV)
    assert (rows, lines) == ([("2", "tea")], [2])
    assert [(r.line, r.reason) for r in rejects] == [(3, "the line holds a NUL byte"), (1, "the line is not UTF-8")]


def test_typed_headers_and_other_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("user_id:token\titem_id:token\n1\t2\n")
    (batch,) = read_rows(path, Delimited(format="delimited", delimiter="tab", header="typed"))
    assert list(batch.columns) == ["user_id", "item_id"]
    path.write_text("1::2\n3::4\n5\n")
    rows, _, rejects = rows_of(path, CSV.model_copy(update={"delimiter": "::"}))
    assert rows == [("1", "2"), ("3", "4")]
    assert rejects[0].line == 3
    path.write_text("1   2\n 3 \t4\n")
    assert rows_of(path, CSV.model_copy(update={"delimiter": "spaces"}))[0] == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("header", ["a,a", "a,", "a,,b"])
def test_an_unusable_header_is_an_input_error(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(header + "\n1,2\n")
    with pytest.raises(InputError, match="header"):
        rows_of(path, Delimited(format="delimited"))


def test_lists_keep_blank_lines_and_repeated_blanks(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("1 2 3\n\n4\n5  6\n")
    keyed = rows_of(path, Lists(format="lists", key="u"))[0]
    assert keyed == [("1", ["2", "3"]), (None, []), ("4", []), ("5", ["6"])]
    assert rows_of(path, Lists(format="lists"))[0] == [(["1", "2", "3"],), ([],), (["4"],), (["5", "6"],)]


def test_json_lines_name_the_bad_ones(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'{"id": 1, "brand": {"name": "A"}, "tags": ["x", 2, null]}\n\n[1]\n'
        b'{"id": \n{"id": {"a": 1}}\n{"id": "\\ud800"}\n'
    )
    rows, lines, rejects = rows_of(path, JsonLines(format="jsonl", columns=("id", "brand.name", "tags")))
    assert (rows, lines) == ([("1", "A", ["x", "2"])], [1])
    assert [r.line for r in rejects] == [3, 4, 5, 6]


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
def test_a_json_object_is_read_in_chunks_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(json_object_module, "_CHUNK", chunk)
    path = tmp_path / "t.json"
    content = {"1": [[-1], [12, 345], []], "é\n": [[6]], "3": []}
    path.write_text(json.dumps(content, indent=1))
    shape = JsonObject(format="json_object", key="u", values="i", number="n")
    assert rows_of(path, shape)[0] == [
        ("1", 0, ["-1"]), ("1", 1, ["12", "345"]), ("1", 2, []), ("é\n", 0, ["6"])
    ]  # fmt: skip
    path.write_text('\n{"a": {"t": "x", "n": 12}, "b": {"t": null}}\n ')
    fields = JsonObject(format="json_object", columns=("t", "n"))
    rows, lines, _ = rows_of(path, fields)
    assert rows == [("a", "x", "12"), ("b", None, None)]
    assert lines == [2, 2]


NO_OBJECTS = ["", "[1]", "{", '{"a": 1', '{"a": 1,}', '{"a": 1} x', '{"a" 1}', "{1: 2}", '{"a": nul}']


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_what_is_no_json_object_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not one JSON object"):
        rows_of(path, JsonObject(format="json_object"))


def test_deep_json_is_an_input_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"a": ' + "[" * 100_000)
    with pytest.raises(InputError):
        rows_of(path, JsonObject(format="json_object"))


def test_parquet_keeps_lists_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table(
        {"id": [1, 2], "tags": [["a"], None], "x": pa.array(["p", "q"]).dictionary_encode(), "s": [{"a": 1}, {"a": 2}]}
    )
    pq.write_table(table, path)
    assert rows_of(path, Parquet(format="parquet"))[0] == [(1, ["a"], "p"), (2, None, "q")]
    with pytest.raises(InputError, match="no column 'y'"):
        rows_of(path, Parquet(format="parquet", columns=("y",)))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="not usable Parquet"):
        rows_of(path, Parquet(format="parquet"))


def test_an_enormous_cell_is_rejected_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"1,2\n3,")
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b"\n5,6\n")
    held = max(len(block.data) for block in read_blocks(path))
    rows, lines, rejects = rows_of(path, CSV)
    assert held < 1 << 20
    assert (rows, lines) == ([("1", "2"), ("5", "6")], [1, 3])
    assert rejects[0].line == 2
    assert len(rejects[0].value) < 200
    assert "longer than" in rejects[0].reason


def test_quotes_that_never_close_do_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,"' + '""\n,"' * 3_000)
    rows, _, rejects = rows_of(path, CSV)
    assert len(rows) + len(rejects) <= 3_001
    assert rejects
