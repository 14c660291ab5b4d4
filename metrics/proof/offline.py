"""Verify an audit tree offline: these few files need nothing else of Sluice, only Python and `cryptography`.

    python verify.pyz FOLDER --key VKEY [--anchor FILE_OR_FOLDER]...
    python verify.pyz BUNDLE.zip --key VKEY [--anchor FILE_OR_FOLDER]...
    python verify.pyz --proof PROOF.json --key VKEY

FOLDER is a Sluice data folder (or a copy of its `audit` and `journal` folders), BUNDLE.zip what `sluice export` wrote.
VKEY is the text that `sluice audit key` printed. An anchor is a copy of checkpoints that was kept where the operator of
Sluice cannot write; without one nobody can tell whether the newest records were cut off or all of them written anew.
PROOF.json is what `sluice audit prove CALL_ID` printed: that one record stands in a signed tree.

Exit codes: 0 everything verifies, 1 something was changed (the first bad sequence number is named), 2 it could not
be verified at all. The tree is that of RFC 6962, checkpoints are signed notes (C2SP tlog-checkpoint).
"""

import argparse
import base64
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from metrics.proof.bundle_check import check_bundle
from metrics.proof.journal import check_journal
from metrics.proof.notes import BadNoteError, Checkpoint, UnverifiableError, VerifierKey, notes_in
from metrics.proof.report import Report
from metrics.proof.tree import Frontier, inclusion_holds, leaf_hash

_MORE_LOOKS = 2
_LEAF_S = 1.5  # in which a record usually gets its leaf


def verify(
    folder: Path, key: VerifierKey, anchors: tuple[Path, ...] = (), sleep: Callable[[float], None] = time.sleep
) -> Report:
    """Verify leaves, tree, checkpoints, journal, sealed content and anchors. Raises `UnverifiableError`.

    Where something is gone and records wait for their leaves, the folder is looked at again: one of them may say why.
    """
    report, open_ended = _look(folder, key, anchors)
    for _ in range(_MORE_LOOKS):
        if not open_ended:
            break
        sleep(_LEAF_S)
        report, open_ended = _look(folder, key, anchors)
    report.problems.sort(key=lambda found: found[0] if found[0] is not None else sys.maxsize)
    return report


def _look(folder: Path, key: VerifierKey, anchors: tuple[Path, ...]) -> tuple[Report, bool]:
    """Verify what is there now; say, too, whether another look may find more. What grows last is read first."""
    audit = folder / "audit"
    if not audit.is_dir():
        raise UnverifiableError(f"there is no audit folder in {folder.name or folder}")
    report = Report()
    anchored = _anchored(anchors, key, report)
    checkpoints = _checkpoints(audit, key, report)
    leaves = list(_leaves(audit, report))
    report.records = len(leaves)
    if leaves and not checkpoints:
        report.found(1, "there is no checkpoint: none was signed yet, as in a folder's first seconds, or they are gone")
    _check_roots([line for line, _ in leaves], checkpoints, anchored, report)
    return report, check_journal(folder / "journal", [leaf for _, leaf in leaves], report)


def verify_bundle(path: Path, key: VerifierKey, anchors: tuple[Path, ...] = ()) -> Report:
    """Verify a bundle: signature, files, rows, and the tree they stand in. Raises `UnverifiableError`."""
    report = Report()
    check_bundle(path, key, _anchored(anchors, key, report), report)
    report.problems.sort(key=lambda found: found[0] if found[0] is not None else sys.maxsize)
    return report


def _leaves(audit: Path, report: Report) -> Iterator[tuple[bytes, dict[str, Any]]]:
    expected = 1
    for path in sorted((audit / "leaves").glob("*.jsonl")):
        for line in path.read_bytes().split(b"\n")[:-1]:
            try:
                leaf = json.loads(line)
                seq = leaf["seq"]
            except (ValueError, KeyError, TypeError, RecursionError):
                leaf, seq = {}, None
            if seq != expected:
                report.found(expected, "its leaf is missing, moved or garbled")
            yield line, leaf if isinstance(leaf, dict) else {}
            expected += 1


def _checkpoints(audit: Path, key: VerifierKey, report: Report) -> list[Checkpoint]:
    found: list[Checkpoint] = []
    previous = ""
    for path in sorted((audit / "checkpoints").glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            at = found[-1].size + 1 if found else 1
            try:
                checkpoint = key.open(json.loads(line)["note"])
            except (ValueError, KeyError, TypeError, RecursionError) as problem:
                report.found(at, f"the checkpoint after it ({path.name}, line {number}) is no good: {problem}")
                previous = "?"
                continue
            if previous not in ("?", checkpoint.previous):
                report.found(at, f"a checkpoint is missing or moved before {path.name}, line {number}")
            if found and checkpoint.size < found[-1].size:
                report.found(at, f"the checkpoint in {path.name}, line {number}, goes back")
            found.append(checkpoint)
            previous = checkpoint.sha256
    report.checkpoints, report.sealed = len(found), found[-1].size if found else 0
    return found


def _anchored(anchors: tuple[Path, ...], key: VerifierKey, report: Report) -> list[Checkpoint]:
    found: list[Checkpoint] = []
    for place in anchors:
        files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
        if not any(file.is_file() for file in files):
            raise UnverifiableError(f"there is no anchor at {place.name}")
        for note in (note for file in files for note in notes_in(file.read_text("utf-8", "replace"))):
            with contextlib.suppress(BadNoteError):  # others may keep their anchors in the same place
                found.append(key.open(note))
    if anchors and not found:
        report.found(1, "no anchored checkpoint was signed with this key")
    report.anchors, report.anchored = len(found), max((anchor.size for anchor in found), default=0)
    return found


def _check_roots(leaves: list[bytes], own: list[Checkpoint], anchored: list[Checkpoint], report: Report) -> None:
    """Grow the tree leaf by leaf; a root that differs is laid to the records since the last one that did not."""
    known = {checkpoint.sha256 for checkpoint in own}
    for anchor in anchored:
        if anchor.sha256 not in known:
            report.found(
                None, f"the checkpoint of {anchor.time} over {anchor.size} records was anchored and is not here"
            )
    tree, good = Frontier(), 0
    wanted = sorted(
        [(c.size, "checkpoint", c) for c in own] + [(c.size, "anchor", c) for c in anchored], key=lambda w: w[:2]
    )
    for size, what, checkpoint in wanted:
        if size > len(leaves):
            report.found(
                len(leaves) + 1, f"it is under a signed {what} of {size} records, and only {len(leaves)} are there"
            )
            continue
        while tree.size < size:
            tree.add(leaf_hash(leaves[tree.size]))
        if tree.root() == checkpoint.root:
            good = size
        else:
            report.found(
                good + 1, f"it or another up to {size} is not what the {what} of {checkpoint.time} was signed for"
            )


def verify_proof(text: str, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint under which a proof's record stands. Raises `BadNoteError` and `UnverifiableError`."""
    try:
        value = json.loads(text)
        leaf, index, note = value["leaf"].encode(), int(value["index"]), value["checkpoint"]
        parts = [base64.b64decode(part, validate=True) for part in value["proof"]]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise UnverifiableError("this is not a proof of inclusion") from problem
    checkpoint = key.open(note)
    if not inclusion_holds(leaf_hash(leaf), index, checkpoint.size, parts, checkpoint.root):
        raise BadNoteError("the record does not stand in the tree that was signed")
    return checkpoint


def main(arguments: list[str] | None = None) -> int:
    """Run the check from a command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="verify.pyz", description="Verify a Sluice audit tree offline.")
    parser.add_argument(
        "folder", type=Path, nargs="?", help="a data folder, or a copy of its audit and journal folders, or a bundle"
    )
    parser.add_argument("--key", required=True, help="the verifier key (sluice audit key), or a file that holds it")
    parser.add_argument("--anchor", type=Path, action="append", default=[], help="copies of checkpoints kept elsewhere")
    parser.add_argument("--proof", type=Path, help="verify one proof of inclusion instead of a folder")
    options = parser.parse_args(arguments)
    try:
        key = VerifierKey.parse(Path(options.key).read_text() if Path(options.key).is_file() else options.key)
        return _say_proof(options.proof, key) if options.proof else _say_folder(options.folder, key, options.anchor)
    except (UnverifiableError, OSError) as problem:
        sys.stderr.write(f"It could not be verified: {problem}\n")
        return 2


def _say_folder(folder: Path | None, key: VerifierKey, anchors: list[Path]) -> int:
    if folder is None:
        raise UnverifiableError("name a folder, or a proof with --proof")
    if not folder.exists():
        raise UnverifiableError(f"there is no {folder}")
    report = (verify_bundle if folder.is_file() else verify)(folder, key, tuple(anchors))
    sys.stdout.write("\n".join(sentences(report)) + "\n")
    return 1 if report.problems else 0


def _say_proof(path: Path, key: VerifierKey) -> int:
    try:
        checkpoint = verify_proof(path.read_text("utf-8"), key)
    except BadNoteError as problem:
        sys.stdout.write(f"NOT PROVED: {problem}\n")
        return 1
    sys.stdout.write(f"The record stands in the tree of {checkpoint.size} records signed at {checkpoint.time}.\n")
    return 0


def sentences(report: Report) -> Iterator[str]:
    """Say a report in words."""
    yield f"{report.records} records, {report.checkpoints} checkpoints, {report.sealed} records under the last one."
    if report.anchors:
        yield f"{report.anchors} anchored checkpoints; {report.anchored} records are under the last one."
    else:
        yield "No anchor was given: a cut-off end, or everything written anew, cannot be noticed."
    for seq, sentence in report.problems[:20]:
        yield f"record {seq}: {sentence}" if seq is not None else sentence
    if len(report.problems) > 20:
        yield f"... and {len(report.problems) - 20} more"
    yield f"CHANGED. First bad record: {report.first_bad}." if report.problems else "Everything verifies."


if __name__ == "__main__":
    sys.exit(main())
