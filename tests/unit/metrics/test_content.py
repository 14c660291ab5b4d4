from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.record.content import Content, ContentGoneError, FrameKeys, seal, unseal
from metrics.record.events import Event
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from metrics.record.sealer import Sealer

EVENT = Event("c1.e", "call.end", 1_790_000_000_000_000, "acme")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyStore]:
    keystore = KeyStore(tmp_path_factory.mktemp("keys") / "k.sqlite", MasterKey(b"m" * 32))
    yield keystore
    keystore.close()


def sealed(store: KeyStore, content: Content) -> bytes:
    sealer = Sealer(store)
    sealer.prepare([(EVENT, content)])
    return sealer.seal(EVENT, content)


fields = st.dictionaries(st.text(max_size=8), st.binary(max_size=50) | st.text(max_size=50), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields, st.none() | st.just("anna"), st.lists(st.tuples(st.just("EMAIL"), st.just("ab")), max_size=2))
def test_content_comes_back_as_it_was_sealed(
    store: KeyStore, given_fields: dict[str, bytes | str], subject: str | None, index: list[tuple[str, str]]
) -> None:
    opened = unseal(sealed(store, Content(subject, "content", given_fields, tuple(index))), store)
    plain = {k: v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for k, v in given_fields.items()}
    assert opened.fields == plain
    assert opened.index == tuple(index)
    assert len(set(opened.salts.values())) == len(plain)
    assert opened.header.event_id == "c1.e"


def test_a_frame_shows_neither_text_nor_subject(store: KeyStore) -> None:
    payload = sealed(store, Content("anna.muster", fields={"request": "secret words"}, index=(("EMAIL", "deadbeef"),)))
    assert not [word for word in (b"anna.muster", b"secret", b"deadbeef") if word in payload]


def test_any_changed_byte_makes_a_frame_unreadable(store: KeyStore) -> None:
    payload = sealed(store, Content("anna", fields={"request": "words"}))
    for at in range(len(payload)):
        with pytest.raises(ContentGoneError):
            unseal(payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :], store)


def test_a_frame_cannot_be_passed_off_as_another_events(store: KeyStore) -> None:
    payload = sealed(store, Content(fields={"request": "words"}))
    with pytest.raises(ContentGoneError):
        unseal(payload.replace(b"c1.e", b"c2.e"), store)


def test_the_same_content_never_looks_the_same_twice(store: KeyStore) -> None:
    content = Content(fields={"request": "words"})
    assert sealed(store, content) != sealed(store, content)


def test_an_erased_subject_is_unreadable_and_others_are_not(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "k.sqlite", MasterKey(b"m" * 32))
    anna, bert, nobody = (sealed(store, Content(subject, fields={"a": "b"})) for subject in ("anna", "bert", None))
    ref = store.find_subject("acme", "anna")
    assert ref
    store.erase(ref)
    with pytest.raises(ContentGoneError, match="erased"):
        unseal(anna, store)
    assert unseal(bert, store).fields == unseal(nobody, store).fields == {"a": "b"}
    store.close()


def test_the_end_of_retention_closes_subjects_content_too(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "k.sqlite", MasterKey(b"m" * 32))
    anna = sealed(store, Content("anna", fields={"a": "b"}))
    store.destroy([key.key_id for key in store.day_keys()])
    with pytest.raises(ContentGoneError):
        unseal(anna, store)
    store.close()


def test_a_worker_forgets_the_keys_of_an_erased_subject(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "k.sqlite", MasterKey(b"m" * 32))
    now = [0.0]
    sealer = Sealer(store, lambda: now[0])
    content = Content("anna", fields={"a": "b"})
    sealer.prepare([(EVENT, content)])
    before = sealer.subject_ref(EVENT, content)
    assert before
    store.erase(before)
    now[0] = 0.3
    sealer.prepare([(EVENT, content)])
    assert sealer.subject_ref(EVENT, content) != before
    assert unseal(sealer.seal(EVENT, content), store).fields == {"a": "b"}
    store.close()


def test_seal_uses_the_randomness_it_is_given(store: KeyStore) -> None:
    keys = FrameKeys(store.day_key("acme", "content", "d"))
    content = Content(fields={"a": "b"})
    assert seal("e", "acme", content, keys, bytes) == seal("e", "acme", content, keys, bytes)
