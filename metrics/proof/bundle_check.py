"""Check a bundle offline: signature, every file, every row in every format, and the tree that the rows stand in."""

import csv
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from metrics.proof.notes import BadNoteError, Checkpoint, UnverifiableError, VerifierKey
from metrics.proof.report import Report
from metrics.proof.tree import leaf_hash, node_hash

FORMAT = "sluice-bundle/1"
_NODE = struct.Struct(">QQ32s")
_NULL, _BETWEEN = "\0", "\x1f"
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
        self.leaves: dict[int, bytes] = {}
        self.good: dict[str, bool] = {}  # files that were read, and whether each is as it was signed

    def run(self, anchored: list[Checkpoint]) -> None:
        raw = self._read("manifest.json")
        try:
            self.about = json.loads(raw or b"")
            if self.about["format"] != FORMAT:
                raise UnverifiableError(f"this verifier knows {FORMAT}, not {self.about['format']}")
        except (ValueError, KeyError, TypeError) as problem:
            raise UnverifiableError("it has no manifest that can be read") from problem
        self._check_signature(raw or b"")
        self._read_leaves()
        seqs = self._check_tables()
        self._check_leaves(seqs)
        self._check_tree(anchored)
        self._check_counts(len(seqs), self._check_files())
        self.report.records = len(seqs)

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

    def _read_leaves(self) -> None:
        for name in sorted(name for name in self.names if name.startswith("leaves/")):
            for line in (self._read(name) or b"").split(b"\n"):
                if line:
                    try:
                        self.leaves[int(json.loads(line)["seq"])] = line
                    except (ValueError, KeyError, TypeError):
                        self.report.found(None, f"{name} holds a line that is no leaf")

    def _check_tables(self) -> dict[int, str]:
        """Compare JSON lines and CSV row by row; return the rows' numbers with the ids of their records."""
        seqs: dict[int, str] = {}
        for name, table in self.about["tables"].items():
            columns = table["columns"]
            for part in table["parts"]:
                place = f"{name}/{part['number']:05d}"
                rows = dict(self._json_rows(f"{place}.jsonl", columns, part, seqs))
                said = dict(self._csv_rows(f"{place}.csv", columns))
                for seq in rows.keys() | said.keys() if rows != said else ():
                    if rows.get(seq) != said.get(seq):
                        where = "jsonl" if seq not in rows else "csv" if seq not in said else ""
                        what = f"its row is missing in {place}.{where}" if where else f"its rows in {place} differ"
                        self.report.found(seq, what)
        return seqs

    def _json_rows(
        self, name: str, columns: list[list[str]], part: dict[str, Any], seqs: dict[int, str]
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
            except (ValueError, KeyError, TypeError, AttributeError):
                self.report.found(None, f"{name} holds a line that is no row")
                continue
            if found != said:
                self.report.found(seq, f"its row in {name} was changed")
            seqs[seq] = row["event_id"]
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

    def _check_leaves(self, seqs: dict[int, str]) -> None:
        for seq in sorted(seqs.keys() ^ self.leaves.keys()):
            self.report.found(seq, "its leaf is missing" if seq in seqs else "its row is missing in every format")
        for seq, line in self.leaves.items():
            event_id = seqs.get(seq)
            if event_id is not None and json.dumps(event_id, ensure_ascii=False).encode() not in line:
                self.report.found(seq, "its leaf is that of another record")

    def _check_tree(self, anchored: list[Checkpoint]) -> None:
        try:
            checkpoint = self.key.open(self.about["checkpoint"])
        except BadNoteError as problem:
            self.report.found(None, f"the checkpoint is no good: {problem}")
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
        nodes = list(_NODE.iter_unpack(raw[: len(raw) // _NODE.size * _NODE.size]))
        nodes += [(seq - 1, 1, leaf_hash(line)) for seq, line in self.leaves.items()]
        at, stack = 0, [(0, 0, b"")]
        for start, width, found in sorted(nodes):
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

    def _check_counts(self, rows: int, whole: bool) -> None:
        sequence = self.about["sequence"]
        if not sequence["exported"]:
            return
        missing = sum(last - first + 1 for first, last, _ in sequence["missing"])
        total = sequence["exported"] + sum(sequence["left_out"].values()) + missing
        if total != sequence["last"] - sequence["first"] + 1:
            self.report.found(None, "the manifest's counts do not add up to all numbers between the first and the last")
        if whole and rows != sequence["exported"]:
            self.report.found(None, f"{rows} rows where {sequence['exported']} were exported")


def _hash(cells: Iterable[str]) -> str:
    return hashlib.sha256(_BETWEEN.join(cells).encode("utf-8", "surrogatepass")).hexdigest()
