"""Check a bundle offline: signature, every file, every row in every format, and the tree that the rows stand in."""

import csv
import hashlib
import heapq
import io
import json
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from metrics.proof.notes import BadNoteError, Checkpoint, UnverifiableError, VerifierKey
from metrics.proof.report import Report
from metrics.proof.tree import leaf_hash, node_hash

FORMAT = "sluice-bundle/1"
_T = TypeVar("_T")
_NODE = struct.Struct(">QQ32s")
_NULL, _BETWEEN = "\0", "\x1f"
_GARBLED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
_BOOL = {True: "true", False: "false"}
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def check_bundle(path: Path, key: VerifierKey, anchored: list[Checkpoint], report: Report) -> None:
    """Check a bundle. Raises `UnverifiableError` when it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            _Check(archive, key, report).run(anchored)
    except (zipfile.BadZipFile, EOFError) as problem:
        raise UnverifiableError(f"{path.name} is not a whole zip file") from problem


class _Check:
    def __init__(self, archive: zipfile.ZipFile, key: VerifierKey, report: Report) -> None:
        self.archive, self.key, self.report = archive, key, report
        self.names = set(archive.namelist())
        self.about: dict[str, Any] = {}
        self.rows = 0
        self.good: dict[str, bool] = {}  # files that were read, and whether each is as it was signed

    def run(self, anchored: list[Checkpoint]) -> None:
        raw = self._read("manifest.json")
        try:
            self.about = json.loads(raw or b"")
            if self.about["format"] != FORMAT:
                raise UnverifiableError(f"this verifier knows {FORMAT}, not {self.about['format']}")
        except _GARBLED as problem:
            raise UnverifiableError("it has no manifest that can be read") from problem
        self._check_signature(raw or b"")
        for name, times in Counter(self.archive.namelist()).items():
            if times > 1:
                self.report.found(None, f"the file {name} stands in it {times} times")
        try:
            self._check_tree(anchored)
            self._check_counts(self._check_files())
        except _GARBLED as problem:
            self.report.found(None, f"the manifest does not say what a bundle's says: {type(problem).__name__}")
        self.report.records = self.rows

    def _read(self, name: str) -> bytes | None:
        """Read a file, and hold it against the manifest."""
        if name not in self.names:
            return None
        try:
            data = self.archive.read(name)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError) as problem:
            self.report.found(None, f"{name} cannot be unpacked: {type(problem).__name__}")
            return None
        signed = self.about.get("files", {}).get(name)
        self.good[name] = signed is None or hashlib.sha256(data).hexdigest() == signed["sha256"]
        if not self.good[name]:
            self.report.found(None, f"the file {name} was changed")
        return data

    def _check_signature(self, raw: bytes) -> None:
        note = (self._read("manifest.sig") or b"").decode("utf-8", "replace")
        try:
            lines = self.key.text_of(note)
        except BadNoteError as problem:
            self.report.found(None, f"the manifest's signature is no good: {problem}")
            return
        if lines[1:] != [FORMAT, f"sha256 {hashlib.sha256(raw).hexdigest()}"]:
            self.report.found(None, "the manifest is not the one that was signed")

    def _check_files(self) -> bool:
        """Look at the files that nothing else has read; tell whether all are as they were signed."""
        files = self.about["files"]
        for name in files:
            if name not in self.good and self._read(name) is None:
                self.good[name] = False
                self.report.found(None, f"the file {name} is missing")
        for name in sorted(self.names - set(files) - {"manifest.json", "manifest.sig"}):
            self.report.found(None, f"the file {name} does not belong to it")
        return all(self.good[name] for name in files)

    def _leaves(self) -> Iterator[tuple[int, bytes]]:
        """Yield the leaves by number, one file at a time in memory."""
        for name in sorted(name for name in self.names if name.startswith("leaves/")):
            found: dict[int, bytes] = {}
            for line in (self._read(name) or b"").split(b"\n"):
                if line:
                    try:
                        found[int(json.loads(line)["seq"])] = line
                    except _GARBLED:
                        self.report.found(None, f"{name} holds a line that is no leaf")
            yield from sorted(found.items())

    def _table(self, name: str, table: dict[str, Any]) -> Iterator[tuple[int, str]]:
        """Compare JSON lines and CSV row by row, a part at a time; yield numbers and ids of the rows' records."""
        columns = table["columns"]
        for part in table["parts"]:
            place, ids = f"{name}/{part['number']:05d}", dict[int, str]()
            rows = dict(self._json_rows(f"{place}.jsonl", columns, part, ids))
            said = dict(self._csv_rows(f"{place}.csv", columns))
            for seq in rows.keys() | said.keys() if rows != said else ():
                if rows.get(seq) != said.get(seq):
                    where = "jsonl" if seq not in rows else "csv" if seq not in said else ""
                    what = f"its row is missing in {place}.{where}" if where else f"its rows in {place} differ"
                    self.report.found(seq, what)
            del rows, said
            yield from sorted(ids.items())

    def _rising(self, what: str, found: Iterable[tuple[int, _T]]) -> Iterator[tuple[int, _T]]:
        """Yield what comes in the order of its numbers; name what does not."""
        last = 0
        for seq, value in found:
            if seq > last:
                yield (last := seq), value
            else:
                self.report.found(seq, f"its {what} stands twice, or out of its place")

    def _proved(self) -> Iterator[tuple[int, bytes]]:
        """Hold the rows against the leaves, both read as they are needed; yield the leaves."""
        tables = [self._table(name, table) for name, table in self.about["tables"].items()]
        rows = self._rising("row", heapq.merge(*tables))
        row = self._next(rows)
        for seq, line in self._rising("leaf", self._leaves()):
            while row and row[0] < seq:
                self.report.found(row[0], "its leaf is missing")
                row = self._next(rows)
            if row and row[0] == seq:
                if json.dumps(row[1], ensure_ascii=False).encode() not in line:
                    self.report.found(seq, "its leaf is that of another record")
                row = self._next(rows)
            else:
                self.report.found(seq, "its row is missing")
            yield seq, line
        while row:
            self.report.found(row[0], "its leaf is missing")
            row = self._next(rows)

    def _next(self, rows: Iterator[tuple[int, str]]) -> tuple[int, str] | None:
        row = next(rows, None)
        self.rows += row is not None
        return row

    def _json_rows(
        self, name: str, columns: list[list[str]], part: dict[str, Any], ids: dict[int, str]
    ) -> Iterator[tuple[int, str]]:
        empty = dict.fromkeys((column for column, _ in columns), _NULL)
        flags = [column for column, kind in columns if kind == "bool"]
        hashes = hashlib.sha256()
        for line in (self._read(name) or b"").decode("utf-8", "replace").split("\n"):
            if not line:
                continue
            try:
                row = {**empty, **_DECODER.decode(line)}
                said = row.pop("row_sha256")
                row.update({flag: _BOOL[row[flag]] for flag in flags if row[flag] is not _NULL})
                seq, found = int(row["seq"]), _hash(row.values())
            except _GARBLED:
                self.report.found(None, f"{name} holds a line that is no row")
                continue
            if found != said:
                self.report.found(seq, f"its row in {name} was changed")
            ids[seq] = str(row["event_id"])
            hashes.update(found.encode())
            yield seq, found
        if hashes.hexdigest() != part["rows_sha256"]:
            self.report.found(None, f"{name} does not hold the rows that the manifest counts")

    def _csv_rows(self, name: str, columns: list[list[str]]) -> Iterator[tuple[int, str]]:
        data = (self._read(name) or b"").decode("utf-8", "replace")
        csv.field_size_limit(1 << 30)
        rows = csv.reader(io.StringIO(data, newline=""))
        next(rows, None)
        # An apostrophe protects a text from spreadsheets; most files hold none.
        texts = [at for at, (_, kind) in enumerate(columns) if kind == "text"] if "'" in data else []
        try:
            for row in rows:
                said = row.pop()
                cells = [cell or _NULL for cell in row]
                for at in texts:
                    cells[at] = cells[at].removeprefix("'")
                found = _hash(cells)
                if found != said:
                    self.report.found(int(cells[0]), f"its row in {name} was changed")
                yield int(cells[0]), found
        except (ValueError, csv.Error, IndexError):
            self.report.found(None, f"{name} holds a line that is no row")

    def _check_tree(self, anchored: list[Checkpoint]) -> None:
        """Check rows and leaves while the tree grows of them."""
        try:
            checkpoint = self.key.open(self.about["checkpoint"])
        except BadNoteError as problem:
            self.report.found(None, f"the checkpoint is no good: {problem}")
            self._root(0)
            return
        self.report.checkpoints, self.report.sealed = 1, checkpoint.size
        if self._root(checkpoint.size) != checkpoint.root:
            self.report.found(None, "the leaves are not those of the tree that was signed")
        known = [each for each in anchored if each.size == checkpoint.size]
        if any(each.root != checkpoint.root for each in known):
            self.report.found(None, f"another state of {checkpoint.size} records was anchored")
        elif anchored and not known:
            self.report.found(None, f"no anchored checkpoint is over {checkpoint.size} records, as this bundle's is")
        elif known:
            self.report.anchored = checkpoint.size

    def _root(self, size: int) -> bytes:
        """Put leaves and hashes together; name the records for which nothing stands."""
        raw = self._read("tree.bin") or b""
        nodes = _NODE.iter_unpack(memoryview(raw)[: len(raw) // _NODE.size * _NODE.size])
        leaves = ((seq - 1, 1, leaf_hash(line)) for seq, line in self._proved())
        at, stack = 0, [(0, 0, b"")]
        for start, width, found in heapq.merge((node for node in nodes if node[1]), leaves):
            if start > at:
                for seq in range(at + 1, min(start, at + 20) + 1):
                    self.report.found(seq, "nothing stands for it: its row and its leaf are gone")
            at = start + width
            stack.append((start, width, found))
            while stack[-1][1] == stack[-2][1] and stack[-2][0] % (2 * stack[-1][1]) == 0:
                (first, half, left), (_, _, right) = stack[-2:]
                stack[-2:] = [(first, 2 * half, node_hash(left, right))]
        for seq in range(at + 1, min(size, at + 20) + 1):
            self.report.found(seq, "nothing stands for it: its row and its leaf are gone")
        *others, root = [found for _, _, found in stack[1:]] or [hashlib.sha256(b"").digest()]
        for left in reversed(others):
            root = node_hash(left, root)
        return root

    def _check_counts(self, whole: bool) -> None:
        sequence = self.about["sequence"]
        if not sequence["exported"]:
            return
        missing = sum(last - first + 1 for first, last, _ in sequence["missing"])
        total = sequence["exported"] + sum(sequence["left_out"].values()) + missing
        if total != sequence["last"] - sequence["first"] + 1:
            self.report.found(None, "the manifest's counts do not add up to all numbers between the first and the last")
        if whole and self.rows != sequence["exported"]:
            self.report.found(None, f"{self.rows} rows where {sequence['exported']} were exported")


def _hash(cells: Iterable[str]) -> str:
    return hashlib.sha256(_BETWEEN.join(cells).encode("utf-8", "surrogatepass")).hexdigest()
