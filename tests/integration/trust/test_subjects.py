"""Access and erasure on a whole installation: journal, recorder over HTTP, key store, control database."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.control import erasures, outbox, sealed
from gateway.control.database import Database, open_database
from gateway.control.errors import InvalidInput, NotAllowed
from gateway.control.identity.roles import Identity, local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from gateway.control.sealed import SealedItem
from gateway.routes.subjects import recorder_client
from gateway.sealer import Sealer
from gateway.trust.access_page import page
from gateway.trust.erasing import Eraser, local_stores
from gateway.trust.subjects import Subjects, Wanted
from metrics.proof.auditor import Auditor
from metrics.proof.erasure import ErasureList
from metrics.proof.offline import verify
from metrics.proof.signer import Signer
from metrics.record.content import Content
from metrics.record.ids import utc_us
from metrics.record.journal import FileJournal, open_keystore
from metrics.record.recorder import Recorder
from redaction.placeholders import Minter
from tests.integration.metrics.support import QUICK, TS, begin, caught_up, end, wait_until, write
from tests.integration.metrics.test_service import serving

PEOPLE = ("anna", "ben", "carl")
ADMIN = local_operator("acme")


@dataclass
class House:
    """One installation with three people and an unlabelled record about anna."""

    data: Path
    recorder: Recorder
    database: Database
    subjects: Subjects

    def erase(self, wanted: Wanted) -> erasures.Erasure:
        target = self.subjects.find("acme", wanted).target
        erasures.request(self.database, ADMIN, target, "gdpr-17")
        stores = local_stores(self.database, self.subjects.keystore, self.data)
        (done,) = Eraser(self.database, stores, ErasureList(self.data), "test").work()
        return done

    def texts(self, wanted: Wanted) -> list[str]:
        return [record["texts"]["request"] for record in self.subjects.export(ADMIN, wanted)["records"]]

    def problems(self) -> list[tuple[int | None, str]]:
        """Record what waits in the outbox, let the recorder sign, and verify the whole folder."""

        async def relay(journal: FileJournal) -> None:
            for _, event in outbox.unrelayed(self.database):
                await journal.commit(event)

        write(self.data, relay)
        wait_until(lambda: caught_up(self.recorder))
        self.recorder.close()
        return verify(self.data, Signer(self.recorder.master).key).problems


def email(name: str) -> str:
    return f"{name}@example.com"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    keystore, master = open_keystore(tmp_path, {})
    minter = Minter(master.derive("redaction/values/acme"))

    async def use(journal: FileJournal) -> None:
        for n, name in enumerate((*PEOPLE, "")):
            person = email(name or "anna")
            index = (("EMAIL_ADDRESS", minter.digest("EMAIL_ADDRESS", person)),)
            kept = Content(name or None, fields={"request": f"words of {name or 'nobody'}"}, index=index)
            journal.write(begin(f"c{n}", TS + n))
            await journal.commit(end(f"c{n}", TS + n, provider="bench"), kept)

    write(tmp_path, use)
    database = open_database(f"sqlite:///{tmp_path}/control.db")
    upgrade(database)
    ensure_tenant(database, "acme")
    texts = Sealer(master, "gateway/responses")
    for name in PEOPLE:
        ref = keystore.find_subject("acme", name)
        value = json.dumps({"items": [{"text": "hello"}], "values": {"[EMAIL_aaaaaa]": email(name)}}).encode()
        with database.write() as tx:
            item = SealedItem("response", f"resp_{name}", texts.seal("acme", f"resp_{name}", value), ref)
            sealed.put(tx, "acme", item)
    recorder = Recorder(tmp_path, {}, pace=QUICK, audit=lambda key: Auditor(tmp_path, Signer(key), utc_us))
    recorder.start()
    wait_until(lambda: caught_up(recorder))
    with serving(recorder) as url:
        subjects = Subjects(database, keystore, master, recorder_client(master, url, database.clock_us))
        yield House(tmp_path, recorder, database, subjects)
    if recorder.state.phase != "stopped":
        recorder.close()
    keystore.close()
    database.close()


def test_a_person_is_found_by_subject_and_by_value(house: House) -> None:
    assert house.subjects.search(ADMIN, Wanted("anna")).counts["subjects"] == 1
    assert house.subjects.search(ADMIN, Wanted("nobody")).counts["subjects"] == 0
    by_value = house.subjects.search(ADMIN, Wanted(value="Anna@EXAMPLE.com"))
    assert by_value.target.event_ids == ("c0.e", "c3.e")
    assert by_value.by_kind == {"EMAIL_ADDRESS": 2}
    assert by_value.target.items == (("response", "resp_anna"),)
    assert len(by_value.others) == 1
    told = [event for _, event in outbox.unrelayed(house.database) if event.kind == "subject.searched"]
    assert len(told) == 3
    assert "anna" not in str(told)
    for wrong in ((), ("anna", "x")):
        with pytest.raises(InvalidInput):
            Wanted(*wrong)


def test_the_copy_has_everything_of_one_person_and_nothing_of_others(house: House) -> None:
    copy = house.subjects.export(ADMIN, Wanted("anna"))
    assert copy == house.subjects.export(ADMIN, Wanted("anna")), "the same records give the same copy"
    assert [record["texts"] for record in copy["records"]] == [{"request": "words of anna"}]
    assert copy["records"][0]["provider"] == "bench"
    assert [item["value"]["values"] for item in copy["items"]] == [{"[EMAIL_aaaaaa]": "anna@example.com"}]
    assert house.texts(Wanted(value=email("anna"))) == ["words of anna", "words of nobody"]
    shown = page(copy)
    assert "words of anna" in shown
    assert "words of ben" not in shown
    assert "<script" not in page(copy | {"items": [{"kind": "<script>", "id": "x", "value": "<script>"}]})
    with pytest.raises(NotAllowed):
        house.subjects.export(Identity("u", "acme", frozenset({"reviewer"})), Wanted("anna"))


def test_a_labelled_person_is_erased_and_the_tree_still_verifies(house: House) -> None:
    done = house.erase(Wanted("anna"))
    assert done.acks["keystore"]["counts"] == {"keys": 1, "subjects": 1, "index_rows": 1}
    assert done.acks["control"]["counts"] == {"response": 1}
    assert house.subjects.export(ADMIN, Wanted("anna"))["records"] == []
    assert house.texts(Wanted("ben")) == ["words of ben"]
    assert house.texts(Wanted(value=email("anna"))) == ["words of nobody"]
    assert house.problems() == []


def test_records_found_by_a_value_are_overwritten_and_the_tree_still_verifies(house: House) -> None:
    done = house.erase(Wanted(value=email("anna")))
    assert done.acks["content"]["counts"] == {"frames": 2}
    assert done.acks["control"]["counts"] == {"response": 1}
    assert house.subjects.find("acme", Wanted(value=email("anna"))).counts["records"] == 0
    assert house.subjects.export(ADMIN, Wanted("anna"))["records"][0]["texts"] == "no longer kept"
    assert house.texts(Wanted("carl")) == ["words of carl"]
    assert house.problems() == []


def test_content_that_is_not_what_was_committed_to_is_not_given_out(house: House) -> None:
    wait_until(lambda: house.recorder.status()["audit"]["records"] >= 8)
    assert house.recorder.contents.read("acme", "c1.e").checked
    (leaves,) = (house.data / "audit" / "leaves").glob("*.jsonl")
    lines = leaves.read_bytes().splitlines()
    at = next(n for n, line in enumerate(lines) if b'"id":"c1.e"' in line)
    leaf = json.loads(lines[at])
    lines[at] = lines[at].replace(leaf["c"]["request"].encode(), b"0" * 64)
    leaves.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(RuntimeError, match="not what the audit tree committed to"):
        house.recorder.contents.read("acme", "c1.e")
