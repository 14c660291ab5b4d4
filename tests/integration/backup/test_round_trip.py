"""A backup taken while records are written, and its return: verified, and nothing that was taken back comes alive."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.backup.making import KEYS, backup
from gateway.backup.manifest import FILE, BackupError, read
from gateway.backup.restoring import Known, finish, newest, restore, stage
from gateway.control.database import Database
from gateway.control.directory import Directory
from gateway.control.errors import SignInFailed
from gateway.control.identity.keys import KeySpec, confirm_key, create_key, list_keys, revoke_key
from gateway.control.identity.login import create_link, sign_in, sign_in_by_link
from gateway.control.identity.roles import local_operator, set_roles
from gateway.control.identity.sessions import authenticate
from gateway.control.identity.users import create_user, disable_user, list_users, set_password
from gateway.control.outbox import unrelayed
from gateway.control.stops import stop, stops_of
from gateway.control.watch import EVERYTHING
from gateway.machine.prepare import control_database
from gateway.machine.running import INTENT, only_one
from gateway.setting_values import SettingsError
from gateway.settings import Settings, load
from metrics.proof.erasure import ErasureList, Listed, Target
from metrics.proof.offline import verify
from metrics.proof.signer import Signer
from metrics.record.content import ContentGoneError
from metrics.record.journal import open_keystore
from metrics.record.master import MasterKey, master_key
from tests.integration.metrics.support import content, recording, rows, write_calls
from tests.integration.metrics.test_audit_tree import audited
from tests.postgres import PostgresServer

BOSS = local_operator("default")
PASSWORD = "correct horse battery"
LOST = Known(none_erased=True)


@dataclass
class Place:
    """One installation."""

    settings: Settings
    backups: Path

    @property
    def master(self) -> MasterKey:
        return master_key(self.settings.data, {})

    @contextmanager
    def database(self) -> Iterator[Database]:
        with control_database(self.settings) as opened:
            yield opened

    def record(self, *calls: str, subject: str | None = None) -> None:
        write_calls(
            self.settings.data, *calls, tenant="default", sealed=content(subject, request=f"words of {subject}")
        )
        with audited(self.settings.data):
            pass

    def back_up(self) -> Path:
        with self.database() as database:
            return backup(self.settings, database, self.master, self.backups)

    def under_way(self) -> bool:
        """Tell whether a backup is being made."""
        return any(self.backups.glob(".sluice-*.partial"))

    def key(self, name: str) -> tuple[str, str]:
        with self.database() as database:
            raw, info = create_key(database, "default", KeySpec(name=name), BOSS)
            return raw, info.key_id

    def works(self, raw: str) -> bool:
        """Tell whether a worker that starts now would take a key."""
        directory = Directory()
        with self.database() as database, database.read() as conn:
            directory.reload(conn, EVERYTHING)
        return directory.lookup(raw.encode()) is not None

    def calls(self) -> set[str]:
        with recording(self.settings.data) as recorder:
            return {row[0] for row in rows(recorder, "SELECT call_id FROM calls")}

    def reads(self, call: str) -> str | None:
        """Return the sealed request of a call, None once it cannot be read."""
        with recording(self.settings.data) as recorder:
            try:
                return str(recorder.contents.read("default", f"{call}.e").opened.fields["request"])
            except ContentGoneError:
                return None


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    environ = {"SLUICE_DATA": str(tmp_path / "data"), "SLUICE_POLICIES": str(tmp_path / "policies")}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        environ["SLUICE_DATABASE_URL"] = server.clean_database()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.yaml").write_text("policy: mine\n")
    return Place(load(environ, tmp_path), tmp_path / "backups")


def elsewhere(place: Place, folder: Path) -> Place:
    """Return a fresh machine that has the master key and nothing else."""
    (folder / "data" / "keys").mkdir(parents=True)
    shutil.copy(place.settings.data / "keys" / "master.key", folder / "data" / "keys")
    data = folder / "data"
    return Place(
        replace(place.settings, data=data, policies=folder / "policies", database_url=f"sqlite:///{data}/control.db"),
        place.backups,
    )


def test_in_place_everything_taken_back_since_stays_taken_back(place: Place) -> None:
    kept, revoked = place.key("kept"), place.key("revoked")
    with place.database() as database:
        user = create_user(database, "default", "eve@example.com", ["admin"], BOSS)
        fired = create_user(database, "default", "mallory@example.com", ["admin"], BOSS)
    place.record("c1", subject="anna")
    place.record("c2", subject="bert")
    made = place.back_up()
    place.record("c3")
    with place.database() as database:
        revoke_key(database, "default", revoked[1], BOSS)
        disable_user(database, "default", fired.user_id, BOSS)
        set_roles(database, "default", user.user_id, ["viewer"], BOSS)
        stop(database, BOSS, "runaway")
    keystore, _ = open_keystore(place.settings.data, {})
    keystore.erase(str(keystore.find_subject("default", "anna")))
    keystore.close()
    done = restore(place.settings, place.master, place.backups, Known())
    assert (done["keys_unconfirmed"], done["keys_destroyed_again"]) == (0, 1)
    assert done["backup"] == made.name
    assert place.works(kept[0])
    assert not place.works(revoked[0])
    with place.database() as database:
        people = {each.email: each for each in list_users(database, "default", BOSS)}
        assert people["eve@example.com"].roles == {"viewer"}
        assert people["mallory@example.com"].disabled_us is not None
        assert [each["automation"] for each in stops_of(database, BOSS)] == ["runaway"]
        assert "backup.restored" in {event.kind for _, event in unrelayed(database)}
    assert place.calls() == {"c1", "c2"}
    assert (place.reads("c1"), place.reads("c2")) == (None, "words of bert")
    assert (Path(done["aside"]) / "journal").is_dir()
    report = verify(place.settings.data, Signer(place.master).key)
    assert (report.problems, report.sealed >= done["records"]) == ([], True)


def test_on_a_new_machine_keys_wait_and_listed_erasures_are_made_again(place: Place, tmp_path: Path) -> None:
    raw, key_id = place.key("any")
    with place.database() as database:
        user = create_user(database, "default", "eve@example.com", ["viewer"], BOSS)
        session = sign_in_by_link(database, create_link(database, "default", user.user_id, BOSS), "test").token
        set_password(database, "default", user.user_id, PASSWORD, authenticate(database, session))
    place.record("c1", subject="anna")
    place.back_up()
    keystore, _ = open_keystore(place.settings.data, {})
    target = Target("default", (str(keystore.find_subject("default", "anna")),))
    keystore.close()
    ErasureList(place.settings.data).append(Listed("ers_1", 1, target))
    there = elsewhere(place, tmp_path / "there")
    with pytest.raises(BackupError, match="--erasures FILE"):
        restore(there.settings, there.master, there.backups, Known())
    assert not (there.settings.data / KEYS).exists()
    done = restore(there.settings, there.master, there.backups, Known((place.settings.data / "erasures.jsonl",)))
    assert (done["keys_unconfirmed"], done["erasures"]) == (1, 1)
    assert not there.works(raw)
    assert there.reads("c1") is None
    assert [each.erasure_id for each in ErasureList(there.settings.data).entries()] == ["ers_1"]
    with there.database() as database:
        (info,) = list_keys(database, "default", BOSS)
        assert info.state(database.clock_us()) == "unconfirmed"
        with pytest.raises(SignInFailed):
            sign_in(database, "eve@example.com", PASSWORD, "test")
        with pytest.raises(SignInFailed):
            authenticate(database, session)
        confirm_key(database, "default", key_id, BOSS)
        assert "key.confirmed" in {event.kind for _, event in unrelayed(database)}
    assert there.works(raw)
    assert (there.settings.policies / "mine.yaml").read_text() == "policy: mine\n"


def test_what_was_acknowledged_before_a_backup_is_in_it_while_others_write_on(place: Place, tmp_path: Path) -> None:
    place.record("before_1", "before_2", subject="anna")
    stop_writing = threading.Event()

    def write_on() -> None:
        number = 0
        while not stop_writing.is_set():
            number += 1
            write_calls(place.settings.data, f"during_{number}", tenant="default", sealed=content("anna"))

    writer = threading.Thread(target=write_on)
    with audited(place.settings.data):
        writer.start()
        made = [place.back_up() for _ in range(3)]
        stop_writing.set()
        writer.join()
    for number, each in enumerate(made):
        there = elsewhere(place, tmp_path / f"there_{number}")
        done = restore(there.settings, there.master, each, LOST)
        assert {"before_1", "before_2"} <= there.calls()
        assert there.reads("before_1") == "words of anna"
        assert done["records"] >= 4


def test_what_is_damaged_forged_foreign_or_newer_is_refused(place: Place, tmp_path: Path) -> None:
    place.record("c1")
    made = place.back_up()
    order = next((made / "journal" / "order").iterdir())
    good = order.read_bytes()
    for path, bad in ((order, good[:-2] + b"x\n"), (order, b""), (made / "extra", b"x")):
        path.write_bytes(bad)
        with pytest.raises(BackupError, match=r"order|extra"):
            restore(place.settings, place.master, made, LOST)
        order.write_bytes(good)
        (made / "extra").unlink(missing_ok=True)
    with pytest.raises(BackupError, match="another master key"):
        restore(place.settings, MasterKey(b"x" * 32), made, LOST)
    manifest = read(made, place.master)
    outer = (made / FILE).read_text()
    replace(manifest, layout=2).write(made, place.master)
    with pytest.raises(BackupError, match="newer than this one"):
        restore(place.settings, place.master, made, LOST)
    replace(manifest, steps=(*manifest.steps, "9999-later")).write(made, place.master)
    with pytest.raises(BackupError, match="9999-later"):
        restore(place.settings, place.master, made, LOST)
    (made / FILE).write_text(outer.replace("records", "recorbs"))
    with pytest.raises(BackupError, match="another master key"):
        restore(place.settings, place.master, made, LOST)
    with pytest.raises(BackupError, match="no backup in"):
        newest(tmp_path)
    assert place.calls() == {"c1"}


def test_nothing_is_restored_under_a_running_program(place: Place) -> None:
    place.record("c1")
    made = place.back_up()
    with audited(place.settings.data), pytest.raises(BackupError, match="recorder"):
        restore(place.settings, place.master, made, LOST)
    with only_one(place.settings), pytest.raises(SettingsError, match="another `sluice up`"):
        restore(place.settings, place.master, made, LOST)


def test_a_restore_that_was_cut_off_is_finished_from_wherever_it_stood(place: Place) -> None:
    raw, _ = place.key("any")
    place.record("c1")
    made = place.back_up()
    place.record("c2")
    for moved in range(4):
        stage(place.settings, place.master, made, read(made, place.master), [], sure=True)
        staging = place.settings.data / f".{made.name}.restoring"
        for part in ("journal", "audit", KEYS)[:moved]:  # as far as it came
            shutil.rmtree(place.settings.data / f"before-{made.name}" / part, ignore_errors=True)
            aside = place.settings.data / f"before-{made.name}" / part
            aside.parent.mkdir(parents=True, exist_ok=True)
            (place.settings.data / part).rename(aside)
            (staging / part).rename(place.settings.data / part)
        with pytest.raises(SettingsError, match="restore --finish"), place.database():
            pass
        assert finish(place.settings)["backup"] == made.name
        assert not (place.settings.data / INTENT).exists()
        assert not staging.exists()
        assert place.calls() == {"c1"}
        assert place.works(raw)
        shutil.rmtree(place.settings.data / f"before-{made.name}")


def test_a_backup_holds_no_session_no_link_and_no_master_key(place: Place) -> None:
    with place.database() as database:
        create_link(database, "default", "usr_operator", BOSS)
    place.record("c1")
    made = place.back_up()
    assert not list(made.rglob("master.key"))
    kept = json.loads(json.loads((made / FILE).read_text())["manifest"])["files"]
    assert {"control.db", KEYS, "policies/mine.yaml"} <= set(kept)
    with recording(place.settings.data):  # a partial one of a killed backup is cleared away by the next
        (place.backups / ".sluice-killed.partial").mkdir()
        place.back_up()
    assert not place.under_way()
    assert all(path.stat().st_mode & 0o077 == 0 for path in made.rglob("*"))
