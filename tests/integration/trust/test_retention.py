"""Retention by a clock that is an argument: to the day, holds win, the tree verifies, a rebuild knows no more."""

from pathlib import Path

from benchmarks.clock_days import DAY_US, START_US, TENANT, Clock, Lives, play, recorded
from metrics.proof.offline import verify
from metrics.proof.retainer import Retainer
from metrics.proof.retention import Group, LegalHold, Rule, Rules, is_over
from metrics.proof.signer import Signer
from metrics.record.gone import remove_lines
from metrics.record.housekeeping import drop_leftovers
from metrics.record.master import master_key
from metrics.record.recorder import rebuild
from policy.model import Facts
from tests.integration.metrics.support import wait_until

LIVES = Lives(content=2, longer=4, metadata=5, health=3, audit=7)


def test_everything_goes_on_its_day_and_nothing_that_is_held(tmp_path: Path) -> None:
    verdict = play(tmp_path, days=range(9), lives=LIVES, lift_at=12)
    assert verdict.wrong == {}
    assert verdict.looks > 500
    assert verdict.kept_by_holds > 30
    assert verify(tmp_path, Signer(master_key(tmp_path, {})).key).problems == []
    lines = b"".join(path.read_bytes() for path in (tmp_path / "journal" / "content").rglob("*.frames"))
    assert lines == b"", "files in which nothing can be read any more are dropped"
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: again.status()["caught_up"])
    with again.door.cursor() as cursor:
        kinds = {row[0] for row in cursor.execute("SELECT DISTINCT kind FROM events").fetchall()}
        assert cursor.execute("SELECT count(*) FROM calls").fetchall() == [(0,)]
    assert kinds == {"retention.run"}
    assert again.status()["missing"] == []
    again.close()


def test_a_dry_run_counts_and_touches_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with recorded(tmp_path, range(4), LIVES, clock) as (recorder, _):
        rules = Rules((Rule({}, 2, 2),), longest=2)
        clock.now_us = START_US + 6 * DAY_US
        retainer = Retainer(recorder)
        retainer.run(Rules((Rule({}, 100, 100),)), "keeper")  # packs what is finished
        wait_until(lambda: recorder.status()["seq"] == 4 * 11 + 1)
        files = {path: path.read_bytes() for path in (tmp_path / "journal").rglob("*.*")}
        clock.now_us = START_US + 5 * DAY_US
        planned = retainer.plan(rules)
        assert planned.records + planned.waiting > 0
        assert {path: path.read_bytes() for path in (tmp_path / "journal").rglob("*.*")} == files
        assert recorder.status()["seq"] == 4 * 11 + 1


def test_a_crash_after_the_record_is_made_good_by_the_next_run(tmp_path: Path) -> None:
    clock = Clock()
    with recorded(tmp_path, range(3), LIVES, clock) as (recorder, _):
        rules = Rules((Rule({}, 1, 1),), longest=1)
        clock.now_us = START_US + 30 * DAY_US
        retainer = Retainer(recorder)
        recorder.errands.ask(lambda ledger: None)
        plan = retainer.plan(rules)
        recorder.tell("retention.run", "keeper", "", day="x", keys=[], kept={}, gone=[[1, 11]])
        done = retainer.run(rules, "keeper")
        assert done.records == 33
        assert plan.keys == done.keys
        assert retainer.run(rules, "keeper").records == 0
        signer = Signer(recorder.master)
    assert verify(tmp_path, signer.key).problems == []


def test_who_looks_before_the_run_has_its_leaf_looks_again_and_finds_nothing_missing(tmp_path: Path) -> None:
    clock = Clock()
    with recorded(tmp_path, range(2), LIVES, clock) as (recorder, _):
        signer = Signer(recorder.master)
    files = [*(tmp_path / "audit" / "leaves").glob("*"), *(tmp_path / "audit" / "checkpoints").glob("*")]
    before = {path: path.read_bytes() for path in files}
    clock.now_us = START_US + 30 * DAY_US
    with recorded(tmp_path, range(0), LIVES, clock) as (recorder, _):
        assert Retainer(recorder).run(Rules((Rule({}, 100, 100),), longest=100), "keeper").keys
    after = {path: path.read_bytes() for path in (tmp_path / "audit").glob("[lc]*/*")}
    looks: list[float] = []

    def leaf_comes(seconds: float) -> None:
        looks.append(seconds)
        for path, data in after.items():
            path.write_bytes(data)

    def put_back() -> None:
        for path in after:
            path.unlink()
        for path, data in before.items():
            path.write_bytes(data)

    put_back()
    assert verify(tmp_path, signer.key, sleep=leaf_comes).problems == []
    assert len(looks) == 1
    assert verify(tmp_path, signer.key, sleep=leaf_comes).problems == []
    assert len(looks) == 1
    put_back()
    problems = verify(tmp_path, signer.key, sleep=looks.append).problems
    assert len(looks) == 3
    assert any("its sealed content is missing" in said for _, said in problems)


def test_a_line_taken_out_without_a_record_that_says_so_is_noticed(tmp_path: Path) -> None:

    clock = Clock()
    with recorded(tmp_path, range(2), LIVES, clock) as (recorder, _):
        clock.now_us = START_US + 9 * DAY_US
        Retainer(recorder).run(Rules((Rule({}, 100, 100),)), "keeper")  # packs what is finished
        signer = Signer(recorder.master)
    packed = sorted((tmp_path / "journal" / "meta").rglob("*.gz"))[0]
    segment = str(packed.relative_to(tmp_path / "journal")).removesuffix(".gz")
    assert remove_lines(tmp_path / "journal", segment, [0])
    (problem,) = verify(tmp_path, signer.key).problems
    assert problem == (1, "its line in the journal was taken out, and no record says that its time was over")


def test_what_left_the_ledger_leaves_its_file_too(tmp_path: Path) -> None:
    def in_files() -> bool:
        return any(b"frozen" in path.read_bytes() for path in tmp_path.glob("ledger*"))

    clock, aside = Clock(), tmp_path / "ledger.duckdb.set-aside"
    with recorded(tmp_path, range(2), LIVES, clock, house_s=0.02) as (recorder, _):
        aside.write_bytes(b"frozen")
        for end in ("", ".wal"):  # a process was killed while it copied
            (tmp_path / f"ledger.duckdb.new{end}").write_bytes(b"half a copy")
        clock.now_us = START_US + 6 * DAY_US
        Retainer(recorder).run(Rules((Rule({}, 100, 100),)), "keeper")
        assert in_files()
        inode = (tmp_path / "ledger.duckdb").stat().st_ino
        assert Retainer(recorder).run(Rules((Rule({}, 2, 20),)), "keeper").records == 20
        wait_until(lambda: (tmp_path / "ledger.duckdb").stat().st_ino != inode and recorder.status()["caught_up"])
        with recorder.door.cursor() as cursor:
            left = cursor.execute("SELECT kind, count(*) FROM events GROUP BY ALL ORDER BY ALL").fetchall()
        assert left == [("key.created", 2), ("retention.run", 2)]
        assert not aside.exists()
    assert not in_files()
    assert not (tmp_path / "ledger.duckdb.new").exists()


def test_what_lies_about_is_removed_in_time(tmp_path: Path) -> None:
    for name in ("ledger.duckdb.set-aside", "ledger.duckdb.wal.set-aside", "journal/meta/2026-01-01/.w.jsonl.gz.new"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "before-sluice-1" / "keys").mkdir(parents=True)
    made_us = (tmp_path / "ledger.duckdb.set-aside").stat().st_mtime_ns // 1000
    assert [drop_leftovers(tmp_path, made_us + days * DAY_US) for days in (0, 2, 6, 8)] == [0, 1, 0, 3]


def test_the_policy_that_governs_the_key_decides_and_else_the_longest_that_might() -> None:
    rules = Rules((
        Rule({}, 400, 2192), Rule({"automation": ["triage"]}, 200, 2192),
        Rule({"automation": ["triage"], "data_class": ["health"]}, 2192, 2192, legal_hold=True),
    ))  # fmt: skip

    def days(facts: Facts, *, exact: bool = True, audit: bool = False) -> int:
        return rules.days(Group("2026-01-01", TENANT, facts, exact, audit))

    assert days(Facts(TENANT)) == 400
    assert days(Facts(TENANT, automation="triage")) == 200
    assert days(Facts(TENANT, automation="triage", data_class="health")) == 2192
    assert days(Facts(TENANT, automation="triage"), exact=False) == 2192
    assert days(Facts(TENANT, automation="other"), exact=False) == 400
    assert days(Facts(TENANT), audit=True) == 2192
    assert rules.all_holds() == (LegalHold(None, automation="triage"),)
    assert not is_over("2026-01-01", 30, "2026-01-31")
    assert is_over("2026-01-01", 30, "2026-02-01")
