"""Folders of files: each row is offered, a file is taken once, and what cannot be read is put aside with its reason."""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from automations.connectors.folder import Folder, csv_rows, json_lines, read_eml
from automations.connectors.mail import Mail
from tests.peers import Offered


@dataclass(frozen=True)
class Row:
    id: str
    seats: int


def dropped(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (1, 1))
    return path


def polled(source: Folder) -> list[Any]:
    found = Offered()
    source.poll(found)
    return found


def test_json_lines(tmp_path: Path) -> None:
    source = Folder(tmp_path, ".jsonl", json_lines(Row))
    dropped(tmp_path, "a.jsonl", b'{"id": "1", "seats": 2}\n\n{"id": "2"}\n\xff\n{"id": "3", "seats": 4}\nnonsense\n')
    assert polled(source) == [Row("1", 2), Row("3", 4)]
    reasons = (tmp_path / "refused" / "a.jsonl.reasons").read_text().splitlines()
    assert [line.split(":")[0] for line in reasons] == ["2", "3", "5"]
    assert reasons[0] == "2: seats: missing"
    assert [path.suffix for path in (tmp_path / "done").iterdir()] == [".jsonl"]
    assert polled(source) == []


def test_csv(tmp_path: Path) -> None:
    source = Folder(tmp_path, ".csv", csv_rows(Row))
    dropped(tmp_path, "a.csv", '\ufeffid,seats\r\n1,2\r\n2,many\r\n3\r\n4,5,6\r\n"5",6\r\n'.encode())
    assert polled(source) == [Row("1", 2), Row("5", 6)]
    dropped(tmp_path, "b.csv", "id,seats\nKöln,2\n".encode("latin-1"))
    assert polled(source) == []
    assert "not UTF-8" in (tmp_path / "refused" / "b.csv.reasons").read_text()


def test_mail_files(tmp_path: Path) -> None:
    source = Folder(tmp_path, ".eml", read_eml)
    dropped(tmp_path, "a.eml", b"From: a@b.example\nSubject: Hello\n\nText\n")
    dropped(tmp_path, "b.eml", b"")
    (found,) = polled(source)
    assert isinstance(found, Mail)
    assert found.subject == "Hello"
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "refused").iterdir()) == ["b", "b.eml.reasons"]


def test_a_file_stays_until_every_row_was_handed_over(tmp_path: Path) -> None:
    source = Folder(tmp_path, ".jsonl", json_lines(Row))
    dropped(tmp_path, "a.jsonl", b'{"id": "1", "seats": 2}\n{"id": "2", "seats": 2}\n')

    def full(given: Sequence[Any], /) -> list[None]:
        raise OSError("the queue is full")

    with pytest.raises(OSError, match="full"):
        source.poll(full)
    assert [row.id for row in polled(source)] == ["1", "2"]


def test_what_is_unfinished_hidden_a_link_or_in_other_hands_is_left_alone(tmp_path: Path) -> None:
    source = Folder(tmp_path, ".jsonl", json_lines(Row))
    row = b'{"id": "1", "seats": 2}\n'
    dropped(tmp_path, ".a.jsonl", row)
    dropped(tmp_path, "a.jsonl.part", row)
    (tmp_path / "fresh.jsonl").write_bytes(row)
    outside = dropped(tmp_path, "outside.txt", row)
    (tmp_path / "link.jsonl").symlink_to(outside)
    os.utime(tmp_path / "link.jsonl", (1, 1), follow_symlinks=False)
    (tmp_path / "folder.jsonl").mkdir()
    os.utime(tmp_path / "folder.jsonl", (1, 1))
    with dropped(tmp_path, "held.jsonl", row).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert polled(source) == []
    assert len(polled(source)) == 1
