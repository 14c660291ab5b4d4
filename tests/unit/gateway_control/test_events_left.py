"""Whatever changes something leaves an event: every writing function, and every route that is not a plain reading."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from gateway.admission import StaticDirectory
from gateway.app import create_app
from gateway.control import reviews
from gateway.control.database import Database
from gateway.control.identity.bootstrap import OPERATOR_ID, bootstrap
from gateway.control.identity.login import create_link, sign_in_by_link
from gateway.control.identity.roles import local_operator
from gateway.control.outbox import unrelayed
from gateway.control.reviews import Review, open_review
from gateway.control.snapshots import Source, activate
from gateway.holds.reviewing import ReviewDesk
from gateway.holds.texts import Kept, ReviewTexts
from gateway.providers.scripted import ScriptedProvider
from gateway.routes import reviews as review_routes
from gateway.routes.events import RESERVED
from gateway.sealer import Sealer
from metrics.record.journal import MemoryJournal
from tests.contract.control.clock import SECOND_US, Clock
from tests.unit.gateway.making import pipeline, snapshot
from tests.unit.gateway_control.test_routes import MASTER, PASSWORD, Caller, routers

ROOT = Path(__file__).parents[3]
KINDS_PAGE = ROOT / "docs/reference/event-kinds.md"

# Functions that write to the control database and leave no event, and why none is due.
NO_EVENT = {
    "gateway.control.copying": "copies; a restore leaves backup.restored",
    "gateway.control.leases": "who does a duty, renewed every few seconds",
    "gateway.control.migrations": "the layout of the database",
    "gateway.control.housekeeping": "drops what has ended",
    "gateway.control.sealed": "drops what has expired; an erasure is recorded by whoever orders it",
    "gateway.control.identity.attempts": "counts tries; each failed one leaves login.failed",
    "gateway.control.budgets": "amounts per call; they stand in call.reserved and call.end",
    "gateway.answers": "replies kept for repeats; they stand in call.end as `reused`",
    "gateway.responses.leased": "jobs of calls; they stand in call.end",
    "gateway.responses.store": "responses of calls; they stand in call.end and request.end",
    "gateway.keeper.relay": "passes events on",
    "gateway.control.erasures.acknowledge": "leaves erasure.done once all stores have answered",
    "gateway.control.retention_runs": "when the keeper was at it; the run itself is retention.run",
    "gateway.control.weekly.want": "leaves weekly.frozen once it is built",
    "gateway.keeper.weekly.want_all": "leaves weekly.frozen once it is built",
}
# Routes that write elsewhere than the control database, or nothing at all.
OTHER_ROUTES = {
    "POST /v1/review": "builds a review for whoever asks; keeping it leaves weekly.frozen",
    "POST /v1/outcomes": "outcome, through the journal",
    "POST /admin/keys/{key_id}/confirm": "key.confirmed, if it waited; see test_round_trip of backups",
    "POST /v1/events": "the event itself, through the journal",
    "POST /v1/redact/inspect": "request.end, through the journal",
    "POST /v1/permits": "says what a policy allows; the effect itself is reported as action.done",
    "POST /v1/run-keys": "makes the key under which a run's inputs are kept; its end is in erasure and retention.run",
    "POST /v1/run-keys/open": "reads that key, for the worker",
    "POST /auth/query-token": "changes nothing: the token says what the session may read",
    "POST /v1/query/{name}": "reads",
    "POST /subjects/search": "subject.searched, see test_subjects",
    "POST /subjects/export": "subject.exported, see test_subjects",
    "POST /subjects/erase": "erasure, see test_erasures",
    "POST /v1/exports": "export.made, through the recorder, once the bundle is there",
    "POST /retention/holds": "legal_hold.set, see test_legal_holds",
    "DELETE /retention/holds/{hold_id}": "legal_hold.lifted, see test_legal_holds",
    "POST /v1/retention": "retention.run, by the recorder itself",
    "POST /weekly/{week}/items": "agenda.opened, see test_weekly_routes",
    "POST /weekly/items/{item_id}/close": "agenda.closed, see test_weekly_routes",
    "POST /weekly/{week}/freeze": "weekly.frozen, once the keeper has built it",
}
# What each route leaves, in the order in which the test below uses them.
LEAVES: dict[str, list[str]] = {
    "POST /auth/login": ["login"],
    "POST /auth/link": ["login"],
    "POST /auth/password": ["password.changed"],
    "POST /auth/logout": ["logout"],
    "POST /admin/keys": ["key.created"],
    "DELETE /admin/keys/{key_id}": ["key.revoked"],
    "POST /admin/users": ["user.created", "roles.changed", "link.created"],
    "POST /admin/users/{user_id}/link": ["link.created"],
    "PUT /admin/users/{user_id}/roles": ["roles.changed"],
    "DELETE /admin/users/{user_id}": ["user.disabled"],
    "POST /admin/services": ["service.created", "roles.changed"],
    "POST /admin/services/{principal_id}/token": ["service.renewed"],
    "PUT /admin/services/{principal_id}/roles": ["roles.changed"],
    "DELETE /admin/services/{principal_id}": ["service.disabled"],
    "POST /reviews/{review_id}/approve": ["review.decided", "outcome", "outcome"],
    "POST /reviews/{review_id}/edit": ["review.decided", "outcome", "outcome"],
    "POST /reviews/{review_id}/reject": ["review.decided", "outcome", "outcome"],
    "POST /reviews/{review_id}/assign": ["review.assigned"],
    "POST /reviews/{review_id}/comment": ["review.commented"],
    "POST /reviews/{review_id}/reveal": ["review.revealed"],
    "POST /reviews/{review_id}/redeliver": ["review.redelivered"],
    "PUT /stops/{automation}": ["stop.set"],
    "DELETE /stops/{automation}": ["stop.lifted"],
}


class Module:
    """One module's functions by name, and where the names it uses come from."""

    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(path.read_text("utf-8"))
        self.functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        self.imported: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                self.imported |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}

    def called(self, name: str) -> Iterator[str]:
        """Full names of what a function calls, as far as they are ours."""
        for node in ast.walk(self.functions[name]):
            if not isinstance(node, ast.Call):
                continue
            match node.func:
                case ast.Name(id=used):
                    yield f"{self.name}.{used}" if used in self.functions else self.imported.get(used, "")
                case ast.Attribute(value=ast.Name(id=owner), attr=used) if owner in self.imported:
                    yield f"{self.imported[owner]}.{used}"
                case ast.Attribute(attr=used):
                    yield f"{self.name}.{used}" if used in self.functions else f".{used}"


@functools.cache
def modules() -> dict[str, Module]:
    return {module.name: module for module in map(Module, sorted((ROOT / "gateway").rglob("*.py")))}


def leaves_one(name: str, seen: set[str]) -> bool:
    """Tell whether a function, or one that it calls, records an event."""
    module, _, function = name.rpartition(".")
    if name == ".record":
        return True
    if name in seen or module not in modules() or function not in modules()[module].functions:
        return False
    seen.add(name)
    return any(leaves_one(called, seen) for called in modules()[module].called(function))


def writers() -> list[str]:
    return [
        f"{module.name}.{name}"
        for module in modules().values()
        for name, function in module.functions.items()
        if module.name != "gateway.control.database" and opens_a_write(function)
    ]


def opens_a_write(function: ast.AST) -> bool:
    """Tell whether a function holds a `with database.write()`."""
    held = [item.context_expr for node in ast.walk(function) if isinstance(node, ast.With) for item in node.items]
    calls = [each for each in held if isinstance(each, ast.Call) and not each.args]
    return any(isinstance(each.func, ast.Attribute) and each.func.attr == "write" for each in calls)


def test_every_function_that_writes_to_the_control_database_leaves_an_event() -> None:
    found = writers()
    assert len(found) > 20
    silent = [name for name in found if not leaves_one(name, set())]
    assert not [name for name in silent if not {name, name.rpartition(".")[0]} & set(NO_EVENT)]
    assert not [module for module in NO_EVENT if not any(name.startswith(module) for name in silent)]


def changing_routes() -> set[str]:
    """Every route of gateway and recorder that is not a plain reading, from the source."""
    found = set()
    for path in [*(ROOT / "gateway/routes").glob("*.py"), *(ROOT / "metrics").rglob("*.py")]:
        text = path.read_text("utf-8")
        prefix = re.search(r'APIRouter\([^)]*prefix="([^"]+)"', text)
        for method, route in re.findall(r'^ +@\w+\.(post|put|patch|delete)\("([^"]*)"', text, re.MULTILINE):
            found.add(f"{method.upper()} {prefix[1] if prefix else ''}{route}")
    return found


def test_every_route_that_changes_something_is_known_to_leave_an_event() -> None:
    assert changing_routes() == set(LEAVES) | set(OTHER_ROUTES)


def a_review(database: Database, texts: ReviewTexts, name: str, clock: Clock) -> None:
    made = Review(
        name, "default", "hold", "q", "drafting", f"call_{name}", None, None, "key_1", "chat.completions", "p@abc",
        "bands[0]", 0.4, 0.6, self_approval=True, at_deadline="reject", deadline_us=clock() + 3600 * SECOND_US,
        keep_days=30, url_env="HOOK",
    )  # fmt: skip
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Dear Anna"}}]}
    kept = Kept({"messages": []}, answer, None, {}, ["acme", "support", "drafting", "test", None], [])
    value = {each: getattr(kept, each) for each in Kept.__dataclass_fields__}
    open_review(database, made, texts.seal(made, reviews.CONTENT, value))


def uses(client: TestClient, database: Database) -> Iterator[tuple[str, str, Any, str | None]]:
    """Every route in turn: its name, the path to ask, the body, and whose session if not the admin's."""
    operator = local_operator("default")
    link = create_link(database, "default", OPERATOR_ID, operator)
    spare = sign_in_by_link(database, create_link(database, "default", OPERATOR_ID, operator), "t").token
    yield "POST /auth/link", "/auth/link", {"token": link}, ""
    yield "POST /auth/password", "/auth/password", {"password": PASSWORD}, None
    yield "POST /auth/login", "/auth/login", {"email": "operator@localhost", "password": PASSWORD}, ""
    spare = sign_in_by_link(database, create_link(database, "default", OPERATOR_ID, operator), "t").token
    yield "POST /auth/logout", "/auth/logout", None, spare
    yield "POST /admin/keys", "/admin/keys", {}, None
    yield "DELETE /admin/keys/{key_id}", "/admin/keys/{id}", None, None
    yield "POST /admin/users", "/admin/users", {"email": "a@example.com", "roles": ["reviewer"]}, None
    yield "POST /admin/users/{user_id}/link", "/admin/users/{id}/link", None, None
    yield "PUT /admin/users/{user_id}/roles", "/admin/users/{id}/roles", {"roles": ["viewer"]}, None
    yield "DELETE /admin/users/{user_id}", "/admin/users/{id}", None, None
    yield "POST /admin/services", "/admin/services", {"name": "ci", "roles": ["viewer"]}, None
    yield "POST /admin/services/{principal_id}/token", "/admin/services/{id}/token", None, None
    yield "PUT /admin/services/{principal_id}/roles", "/admin/services/{id}/roles", {"roles": ["admin"]}, None
    yield "DELETE /admin/services/{principal_id}", "/admin/services/{id}", None, None
    yield "POST /reviews/{review_id}/assign", "/reviews/rev_1/assign", {"to": "me"}, None
    yield "POST /reviews/{review_id}/comment", "/reviews/rev_1/comment", {"comment": "fine"}, None
    yield "POST /reviews/{review_id}/reveal", "/reviews/rev_1/reveal", None, None
    yield "POST /reviews/{review_id}/approve", "/reviews/rev_1/approve", {}, None
    yield "POST /reviews/{review_id}/redeliver", "/reviews/rev_1/redeliver", None, None
    yield "POST /reviews/{review_id}/edit", "/reviews/rev_2/edit", {"text": "Dear Ms A"}, None
    yield "POST /reviews/{review_id}/reject", "/reviews/rev_3/reject", {}, None
    yield "PUT /stops/{automation}", "/stops/triage", None, None
    yield "DELETE /stops/{automation}", "/stops/triage", None, None


def test_each_of_them_leaves_the_events_of_the_table(database: Database, tmp_path: Path, clock: Clock) -> None:
    bootstrap(database, None)
    idle = pipeline(snapshot(tmp_path), ScriptedProvider([]), MemoryJournal())
    desk = ReviewDesk(ReviewTexts(database, Sealer(MASTER, "reviews")), idle.snapshot, idle.redactors)
    for name in ("rev_1", "rev_2", "rev_3"):
        a_review(database, desk.texts, name, clock)
    found: dict[str, list[str]] = {}
    app = create_app(idle, [*routers(database), review_routes.router(desk, StaticDirectory({}))])
    with TestClient(app, raise_server_exceptions=False) as client:
        made = sign_in_by_link(database, create_link(database, "default", OPERATOR_ID, local_operator("default")), "t")
        last_id = ""
        for name, path, body, session in uses(client, database):
            before = len(unrelayed(database))
            caller = Caller(client, made.token if session is None else session)
            status, answer = caller(name.split(" ")[0], path.replace("{id}", last_id), body)
            assert status == 200, (name, answer)
            last_id = answer.get("id", last_id)
            found[name] = [event.kind for _, event in unrelayed(database)[before:]]
    assert found == LEAVES


def test_a_failed_sign_in_leaves_one_too(database: Database) -> None:
    bootstrap(database, None)
    client = TestClient(create_app(pipeline_of(database), routers(database)), raise_server_exceptions=False)
    assert client.post("/auth/login", json={"email": "x@example.com", "password": "wrong"}).status_code == 401
    assert unrelayed(database)[-1][1].kind == "login.failed"


def pipeline_of(database: Database) -> Any:
    folder = Path(str(database.engine.url.database)).parent / "policies"
    folder.mkdir()
    return pipeline(snapshot(folder), ScriptedProvider([]), MemoryJournal())


def test_a_certificate_that_comes_in_force_is_said_by_its_name(database: Database) -> None:
    def tree(*names: str) -> bytes:
        made = [{"certificate": name, "key": {"tenant": "default", "automation": "triage"}} for name in names]
        return str({"certificates": made}).replace("'", '"').encode()

    for generation, content in enumerate((tree("one"), tree("one", "two"))):
        with database.write() as tx:
            activate(tx, content, Source("c0ffee", False, "keeper"), generation)
    said = [event for _, event in unrelayed(database) if event.kind == "certificate.activated"]
    assert [(event.body["certificate"], event.automation) for event in said] == [("one", "triage"), ("two", "triage")]


NO_KINDS = {"run.content", "review.output", "review.note", "service.name", "service.version"}  # words of the same form


@functools.cache
def kinds_in_the_code() -> set[str]:
    """Every kind of event that is written down as a constant where an event is made."""
    found: set[str] = set()
    for path in [
        *(ROOT / "gateway").rglob("*.py"),
        *(ROOT / "metrics").rglob("*.py"),
        *(ROOT / "automations").rglob("*.py"),
    ]:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} & set(KIND.findall(node.value))
    return found - NO_KINDS


KIND = re.compile(
    r"^(?:call|request|review|key|user|service|roles|login|logout|link|password|policy|certificate|stop|split|budget|"
    r"tenant|agenda|weekly|journal|content|export|erasure|retention|hold|run|step|action|dead_letter|backup)\.[a-z_]+$"
)


def test_every_kind_is_explained() -> None:
    text, kinds = KINDS_PAGE.read_text("utf-8"), kinds_in_the_code()
    assert len(kinds) > 30
    assert not [kind for kind in kinds if f"`{kind}`" not in text and f"`{kind.partition('.')[0]}.*`" not in text]


def test_automations_cannot_report_what_sluice_writes_itself() -> None:
    assert {kind.partition(".")[0] for kind in kinds_in_the_code()} <= RESERVED | {"action", "run", "step"}
