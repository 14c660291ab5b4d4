"""Every route of the real gateway, asked by every role of its own tenant and of another: nothing leaks."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import Table, false, insert, select

from gateway.app import create_app
from gateway.control import erasures, legal_holds, schema, schema_reviews, snapshots, weekly
from gateway.control.identity.keys import KeySpec, create_key, revoke_key
from gateway.control.identity.roles import ROLES, Bounds, local_operator
from gateway.control.identity.services import ServiceSpec, create_service
from gateway.control.identity.sessions import open_session
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.identity.users import create_user
from gateway.control.reviews import CONTENT, Review, open_review
from gateway.control.snapshots import Source
from gateway.control.stops import stop
from gateway.holds.agenda import AGENDA
from gateway.holds.texts import Kept
from gateway.machine.prepare import control_database
from gateway.responses.store import Stored
from gateway.routes.all import routers
from gateway.run_keys import Wanted
from gateway.sealer import Sealer
from gateway.settings import Settings, load
from gateway.wiring import Parts, open_parts
from metrics.proof.erasure import Target
from metrics.proof.retention import LegalHold
from policy.load import load_tree
from policy.model import Facts
from tests.e2e.wire import completion
from tests.integration.gateway.access import ASK, KEY, OPEN, ROWS, SESSION, Row, offered
from tests.integration.metrics.support import recording, wait_until
from tests.integration.metrics.test_service import serving
from tests.running_gateway import write_policies
from tests.upstream import Received, Step, reply, running_upstream

OWN, OTHER = "acme", "other"
BOSS = local_operator(OWN)
ANSWER = completion()
EMBEDDED = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}], "model": "gpt-test"}
ENDING = {"POST /auth/logout", "POST /auth/password"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def answering(request: Received) -> list[Step]:
    if "/embeddings" in request.path:
        return reply(EMBEDDED | {"usage": USAGE})
    if "/models" in request.path:
        return reply({"object": "list", "data": []})
    if request.path.endswith("/v1/completions"):
        choice = {"index": 0, "text": "Hello.", "finish_reason": "stop", "logprobs": None}
        return reply(
            {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "gpt-test", "choices": [choice]}
        )
    if request.path.endswith("/responses"):
        said = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
        said |= {"content": [{"type": "output_text", "text": "Hello.", "annotations": []}]}  # type: ignore[dict-item]
        head = {"id": "resp_up", "object": "response", "created_at": 1, "model": "gpt-test", "status": "completed"}
        return reply(head | {"output": [said]})
    return reply(ANSWER)


@dataclass
class Asked:
    """One request of the campaign and what came of it."""

    route: str
    row: Row
    tenant: str
    caller: str
    status: int
    text: str


@dataclass
class World:
    """The real gateway over a real control database, with two tenants."""

    parts: Parts
    http: httpx.AsyncClient
    offered: set[str]
    call_id: str = ""
    asked: list[Asked] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    count: int = 0

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}-{self.count}"

    def session(self, tenant: str, roles: tuple[str, ...], ends_s: int = 3600) -> str:
        """Sign in a new user who has these roles."""
        database = self.parts.database
        user = create_user(database, tenant, f"{self.fresh('u')}@{tenant}.example", roles, local_operator(tenant))
        with database.write() as tx:
            return open_session(tx, tenant, user.user_id, "link", ends_s).token

    def key(self, tenant: str) -> tuple[str, str]:
        """Make an API key; return it and its id."""
        spec = KeySpec(f"{tenant}-drafting", name=self.fresh(tenant))
        raw, info = create_key(self.parts.database, tenant, spec, local_operator(tenant))
        return raw, info.key_id

    async def thing(self, name: str, route: str) -> str:
        """Make what a path's parameter names in the own tenant; return its id."""
        if name == "response_id":
            return await self._response(cancelled="cancel" in route)
        return {
            "model": lambda: "gpt-test",
            "automation": self._stopped,
            "key_id": lambda: self.key(OWN)[1],
            "call_id": lambda: self.call_id,
            "user_id": self._user,
            "principal_id": self._service,
            "review_id": self._review,
            "week": lambda: self._week(wanted=route.startswith("GET")),
            "item_id": self._item,
            "erasure_id": self._erasure,
            "hold_id": self._legal_hold,
        }[name]()

    def rows(self) -> dict[str, list[Any]]:
        """Return everything of the own tenant that the control database holds."""
        with self.parts.database.read() as conn:
            return {table.name: _rows_of(conn, table) for table in schema.METADATA.sorted_tables}

    def _stopped(self) -> str:
        name = self.fresh(f"{OWN}-automation")
        stop(self.parts.database, BOSS, name)
        return name

    def _run_key(self) -> str:
        whose = Facts(OWN, None, f"{OWN}-drafting")
        return self.parts.run_keys.make(whose, [Wanted("run_x", None)], 30, self.parts.database.clock_us())[0].wrapped

    def _user(self) -> str:
        return create_user(self.parts.database, OWN, f"{self.fresh('v')}@{OWN}.example", [], BOSS).user_id

    def _service(self) -> str:
        return create_service(self.parts.database, OWN, ServiceSpec(self.fresh(OWN), [], Bounds()), BOSS)[
            1
        ].principal_id

    def _week(self, *, wanted: bool) -> str:
        self.count += 1
        week = f"20{self.count // 50:02}-W{self.count % 50 + 1:02}"
        if wanted:
            weekly.want(self.parts.database, BOSS, week)
        return week

    def _item(self) -> str:
        name, sealer = self.fresh("item"), Sealer(self.parts.master, AGENDA)
        texts = sealer.seal(OWN, f"{weekly.ITEM}\0{name}", b'{"text": "Call them.", "owner": "Ann"}')
        return weekly.add(self.parts.database, BOSS, weekly.NewItem("2026-W01"), texts, name).item_id

    def _erasure(self) -> str:
        target = Target(OWN, (self.parts.keystore.subject_key(OWN, "person")[0],))
        return erasures.request(self.parts.database, BOSS, target, "other").erasure_id

    def _legal_hold(self) -> str:
        scope = LegalHold(OWN, automation=f"{OWN}-drafting")
        return legal_holds.set_hold(self.parts.database, BOSS, scope, self.fresh("case")).hold_id

    def _review(self) -> str:
        database, name = self.parts.database, self.fresh("rev")
        review = Review(
            name, OWN, "hold", "leads", f"{OWN}-drafting", self.call_id, None, None, "key_1",
            "chat.completions", "structured@abc", "bands[1]", 0.4, 0.6, self_approval=False, at_deadline="reject",
            deadline_us=database.clock_us() + 3_600_000_000, keep_days=30,
        )  # fmt: skip
        facts = [OWN, None, f"{OWN}-drafting", None, None]
        kept = Kept({"messages": []}, ANSWER, None, {"<<EMAIL_1>>": f"ann@{OWN}.example"}, facts, [])
        open_review(database, review, self.parts.reviews.seal(review, CONTENT, kept))
        with database.write() as tx:
            row = {"delivery_id": f"msg_{name}", "review_id": name, "tries": 0, "created_us": tx.now_us}
            tx.execute(insert(schema_reviews.deliveries).values(row))
        return name

    async def _response(self, *, cancelled: bool) -> str:
        """Keep a response; of those that are not under way, only a cancelled one can be cancelled again."""
        name = f"resp_{self.fresh('r')}"
        answer = {"id": name, "object": "response", "output": [], "metadata": {"whose": OWN}}
        answer["status"] = "cancelled" if cancelled else "completed"
        await self.parts.responses.store.put(OWN, None, Stored(name, f"{OWN}-drafting", "test", [], answer), 1)
        return name

    async def things(self, route: str) -> dict[str, str]:
        """Make what a route's path names in the own tenant."""
        return {name: await self.thing(name, route) for name in re.findall(r"\{(\w+)\}", route)}

    async def ask(self, route: str, tenant: str, caller: str, token: str | None, given: dict[str, str]) -> None:
        """Send one request."""
        row, (method, path) = ROWS[route], route.split(" ")
        body = _filled(row.body, self.fresh(f"{tenant}-new"))
        if path == "/subjects/erase":
            self.parts.keystore.subject_key(tenant, "person")
        if path == "/v1/run-keys/open":
            body = body | {"wrapped": self._run_key()}
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = await self.http.request(method, path.format(**given), json=body, headers=headers)
        text = re.sub("|".join(re.escape(name) for name in given.values()) or "$^", "", answer.text)
        self.asked.append(Asked(route, row, tenant, caller, answer.status_code, text))


def _rows_of(conn: Any, table: Table) -> list[Any]:
    mine = select(table).where(table.c.tenant == OWN) if "tenant" in table.c else select(table).where(false())
    return sorted(conn.execute(mine).all(), key=str)


def _filled(body: Any, name: str) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, name) for key, value in body.items()}
    return body.replace("FRESH", name) if isinstance(body, str) else body


@asynccontextmanager
async def world(settings: Settings, policies: Path) -> AsyncIterator[World]:
    with control_database(settings) as database:
        for tenant in (OWN, OTHER):
            ensure_tenant(database, tenant)
        tree = load_tree(policies)
        with database.write() as tx:
            snapshots.activate(tx, tree.to_bytes(), Source(None, False, "test"), 0)
    async with open_parts(settings, {}, "test") as parts:
        app = create_app(parts.pipeline, routers(parts), kept=parts.responses)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", timeout=30) as http:
            made = World(parts, http, offered(app))
            for tenant in (OTHER, OWN):
                raw, _ = made.key(tenant)
                parts.changes.check()
                answer = await http.post("/v1/chat/completions", json=ASK, headers={"authorization": f"Bearer {raw}"})
                assert answer.status_code == 200, answer.text
                made.call_id = answer.headers["x-sluice-call-id"]
            yield made


async def campaign(world: World) -> None:
    """Ask every route: strangers and the other tenant first, then the own one, for a fresh thing each time."""
    revoked, key_id = world.key(OWN)
    revoke_key(world.parts.database, OWN, key_id, BOSS)
    strangers = {"nobody": None, "a made-up session": "sess-wrong", "a made-up key": "sk-sluice-wrong"}
    strangers |= {"an ended session": world.session(OWN, ROLES, ends_s=-1), "a revoked key": revoked}
    mine, others = callers(world, OWN), callers(world, OTHER)
    for route in ROWS:
        given = await world.things(route)
        world.parts.changes.check()
        before = world.rows()
        ending = route in ENDING
        asking = [world.ask(route, OWN, caller, token, given) for caller, token in strangers.items()]
        asking += [
            world.ask(route, OTHER, caller, world.session(OTHER, ()) if ending and caller != KEY else token, given)
            for caller, token in others.items()
        ]
        await asyncio.gather(*asking)
        if world.rows() != before:
            world.changed.add(route)
    for route in ROWS:
        idle = await world.things(route)
        for caller, token in mine.items():
            fresh = world.session(OWN, ()) if route in ENDING and caller != KEY else token
            given = await world.things(route) if allowed(ROWS[route], caller) else idle
            await world.ask(route, OWN, caller, fresh, given)


def callers(world: World, tenant: str) -> dict[str, str]:
    """Sign in everybody of a tenant, and make a key."""
    signed_in = {role: world.session(tenant, (role,)) for role in ROLES}
    return {
        KEY: world.key(tenant)[0],
        "no role": world.session(tenant, ()),
        "all roles": world.session(tenant, ROLES),
    } | signed_in


def allowed(row: Row, caller: str) -> bool:
    """Tell whether the row lets a caller of its own tenant in."""
    if row.who in (OPEN, KEY, SESSION):
        sessions = {*ROLES, "no role", "all roles"}
        return row.who == OPEN or caller in ({KEY} if row.who == KEY else sessions)
    return caller == "all roles" or caller in row.who or ("viewer" in row.who and caller in ROLES)


@dataclass
class Matrix:
    """What the app offers, and the answers of the campaign."""

    offered: set[str]
    asked: list[Asked]
    changed: set[str]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("access")

    async def run(stack: ExitStack, upstream: str) -> Matrix:
        policies = write_policies(folder / "policies", upstream)
        text = (policies / "structured.yaml").read_text()
        (policies / "structured.yaml").write_text(text.replace("{tenant: acme}", "{tenant: [acme, other]}"))
        settings = replace(load({"SLUICE_UPSTREAM": "test"}, folder), policies=policies)
        recorder = stack.enter_context(recording(settings.data))
        settings = replace(settings, recorder_url=stack.enter_context(serving(recorder)))
        async with world(settings, policies) as made:
            await asyncio.to_thread(wait_until, lambda: recorder.status()["seq"] >= 4)
            await campaign(made)
            return Matrix(made.offered, made.asked, made.changed)

    with running_upstream() as upstream, ExitStack() as stack:
        upstream.default = answering
        yield asyncio.run(run(stack, upstream.base_url))


def test_every_route_of_the_router_has_a_row_and_every_row_a_route(matrix: Matrix) -> None:
    assert matrix.offered == set(ROWS)


def test_who_may_not_gets_401_or_403_and_not_a_word_of_the_tenant(matrix: Matrix) -> None:
    refused = [each for each in matrix.asked if each.tenant == OWN and not allowed(each.row, each.caller)]
    assert len(refused) > 300
    for each in refused:
        assert each.status in (401, 403, 429), each  # 429: too many wrong keys
        assert OWN not in each.text, each


def test_who_may_gets_an_answer(matrix: Matrix) -> None:
    for each in matrix.asked:
        if each.tenant == OWN and allowed(each.row, each.caller) and each.row.who != OPEN:
            assert each.status < 400, each


def test_another_tenant_reads_nothing_and_changes_nothing(matrix: Matrix) -> None:
    assert not matrix.changed
    foreign = [each for each in matrix.asked if each.tenant == OTHER]
    assert len(foreign) == 8 * len(ROWS)
    for each in foreign:
        assert OWN not in each.text, each
        if each.row.names:
            assert each.status in ((404, 410) if allowed(each.row, each.caller) else (401, 403, 429)), each
