"""Makes one bundle, part by part, so that a killed one goes on where it was; the same records give the same bytes."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson

from metrics.proof.bundle_rows import FORMATS, Part, Source, columns_of, seqs_of, stretches, write_part
from metrics.proof.bundle_tree import write_leaves, write_tree
from metrics.proof.manifest import FORMAT, OUTPUTS, Made, Scope, git_files, manifest
from metrics.proof.pack import verifier
from metrics.proof.signer import Signer
from metrics.proof.store import TreeStore
from metrics.proof.summary import page
from metrics.record.fileops import replace_whole
from metrics.record.queries import load_queries

COUNT: Final = "SELECT count(*) FROM ({})"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
TABLES: Final = {"evidence": "evidence", "events": "evidence_events"}  # table: the question it answers
TREE, MANIFEST, SIGNATURE = "tree.bin", "manifest.json", "manifest.sig"

Cursor = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


class NotSignedYetError(RuntimeError):
    """The newest rows are not under a checkpoint yet; within thirty seconds they are."""


@dataclass(slots=True)
class Job:
    """What is known of a bundle in the making; kept in `job.json`, so that it outlives its process."""

    scope: Scope
    through: int  # the last record when it was asked for: later ones are not in it
    asked_us: int
    parts: list[Part] = field(default_factory=list)
    state: str = "running"  # running, done
    done_rows: int = 0
    all_rows: int | None = None
    problem: str | None = None
    sha256: str | None = None
    bytes: int | None = None

    @staticmethod
    def read(folder: Path) -> Job:
        """Read a job back."""
        value = orjson.loads((folder / "job.json").read_bytes())
        scope = value.pop("scope")
        parts = [Part(**part) for part in value.pop("parts")]
        return Job(Scope(**scope | {"automations": tuple(scope["automations"])}), parts=parts, **value)

    def keep(self, folder: Path) -> None:
        """Write it down."""
        replace_whole(folder / "job.json", lambda path: path.write_bytes(orjson.dumps(asdict(self))))


def sources_of(scope: Scope, through: int) -> list[Source]:
    """Return the tables of a bundle."""
    evidence, events = (load_queries()[question].sql for question in TABLES.values())
    values = scope.values(through)
    return [Source("evidence", evidence, OUTPUTS, values), Source("events", events, events, values)]


@dataclass(frozen=True, slots=True)
class Maker:
    """What making bundles needs."""

    data: Path
    cursor: Cursor
    signer: Signer
    policies: Path | None = None

    def steps(self, job: Job, folder: Path) -> Iterator[None]:
        """Make the bundle `folder.zip`; each step may be the last of this process.

        Raises `NotSignedYetError`, `duckdb.Error`, `OSError`; beginning again goes on where it was.
        """
        sources = sources_of(job.scope, job.through)
        for _ in self._write_parts(job, folder, sources):
            yield
        checkpoint = self._prove(job, folder)
        yield
        about = self._describe(job, folder, sources, checkpoint)
        yield
        self._pack(job, folder, about)

    def count(self, job: Job) -> int:
        """Count the rows that a bundle will hold."""
        with self.cursor() as cursor:
            sources = sources_of(job.scope, job.through)
            rows = [cursor.execute(COUNT.format(each.chosen), dict(each.values)).fetchone() for each in sources]
        return sum(row[0] for row in rows if row)

    def _write_parts(self, job: Job, folder: Path, sources: list[Source]) -> Iterator[None]:
        done = {(part.table, part.first_seq) for part in job.parts}
        for source in sources:
            with self.cursor() as cursor:
                ends, columns = stretches(cursor, source), columns_of(cursor, source)
            for number, (first, last) in enumerate(ends, 1):
                if (source.name, first) not in done:
                    with self.cursor() as cursor:
                        part = write_part(cursor, source, columns, number, (first, last), folder)
                    job.parts.append(part)
                    job.done_rows += part.rows
                    job.keep(folder)
                    yield

    def _prove(self, job: Job, folder: Path) -> str:
        """Write the leaves and the rest of the tree; return the checkpoint that it is signed by."""
        seqs, store = seqs_of(job.parts, folder), TreeStore(self.data / "audit", read_only=True)
        last = seqs[-1] if seqs else 0
        notes = (note for note in store.notes() if self.signer.key.open(note).size >= last)
        note = next(notes, None)
        if note is None:
            raise NotSignedYetError("it waits for the checkpoint over its newest records: thirty seconds at most")
        write_leaves(store, seqs, folder / "leaves")
        write_tree(store, seqs, self.signer.key.open(note).size, folder / TREE)
        return note

    def _describe(self, job: Job, folder: Path, sources: list[Source], checkpoint: str) -> dict[str, Any]:
        leaves = [f"leaves/{path.name}" for path in sorted((folder / "leaves").glob("*.jsonl"))]
        names = [*(part.path(form) for part in job.parts for form in FORMATS), *leaves, TREE, "verify.pyz"]
        (folder / "verify.pyz").write_bytes(verifier())
        files = {name: _hashed(folder / name) for name in names}
        with self.cursor() as cursor:
            columns = {source.name: columns_of(cursor, source) for source in sources}
            made = Made(sources, columns, job.parts, files)
            about = manifest(cursor, job.scope, made, checkpoint, self.signer.key.text())
        commits = sorted({each["git_commit"] for each in about["policies"] if each["git_commit"]})
        about["policy_files"] = git_files(self.policies, commits)
        (folder / "summary.html").write_text(page(about), "utf-8")
        about["files"]["summary.html"] = _hashed(folder / "summary.html")
        return about

    def _pack(self, job: Job, folder: Path, about: dict[str, Any]) -> None:
        text = orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n"
        (folder / MANIFEST).write_bytes(text)
        digest = hashlib.sha256(text).hexdigest()
        (folder / SIGNATURE).write_text(self.signer.note(self.signer.key.origin, FORMAT, f"sha256 {digest}"), "utf-8")
        made = folder.with_suffix(".new")
        with zipfile.ZipFile(made, "w", allowZip64=True) as archive:
            for name in (MANIFEST, SIGNATURE, *sorted(about["files"])):
                _add(archive, folder / name, name)
        made.replace(folder.with_suffix(".zip"))
        job.sha256, job.bytes = digest, folder.with_suffix(".zip").stat().st_size


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    if not name.endswith((".parquet", ".bin", ".pyz")):
        archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)
        return
    with path.open("rb") as file, archive.open(entry, "w", force_zip64=True) as to:  # packed already, and large
        shutil.copyfileobj(file, to, 1 << 20)


def _hashed(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}
