"""The Trust page: proof, anchors, findings, and what is kept, held, erased and exported; also where nothing is."""

import pytest
from streamlit.testing.v1 import AppTest


def trust_page(case: str) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415 - AppTest runs this function as a script of its own

    from dashboard.views import trust  # noqa: PLC0415
    from tests.unit.dashboard.frames import TRUST  # noqa: PLC0415

    trust.show(TRUST[case], datetime(2026, 11, 22, tzinfo=UTC))


def page(case: str, about: str | None = None) -> AppTest:
    test = AppTest.from_function(trust_page, args=(case,))
    if about:
        test.query_params["about"] = about
    test.run()
    assert not test.exception
    return test


def said(test: AppTest) -> str:
    texts = [*test.success, *test.error, *test.warning, *test.info, *test.caption, *test.code]
    return "\n".join(str(each.value) for each in texts)


def test_proof_anchors_and_findings_are_said() -> None:
    test = page("full")
    assert [metric.value for metric in test.metric] == ["1,205", "1,200", "5"]
    assert "The tree fits its last checkpoint, of 2026-11-21 23:58:00 UTC" in said(test)
    assert "`folder:/mnt/kept`: 1,200 records" in said(test)
    assert "git: push failed" in said(test)
    assert "It listens everywhere. Set SLUICE_HOST." in said(test)
    assert "sluice/1\n1200\nroot" in said(test)


@pytest.mark.parametrize(
    ("about", "cells"),
    [
        ("Retention", ["data_class: health", "400 days", "2192 days"]),
        ("Legal holds", ["case-7", "automation triage", "in force"]),
        ("Erasures", ["era_1", "gdpr-17", 3, 2]),
        ("Exports", ["exp_1", "usr_eve", "abababababab"]),
    ],
)
def test_each_list_has_its_place_in_the_url(about: str, cells: list[object]) -> None:
    table = page("full", about).dataframe[0].value
    assert set(cells) <= set(table.iloc[0].tolist())


def test_a_run_of_retention_is_counted() -> None:
    (_, calendar) = page("full", "Retention").dataframe
    assert calendar.value.iloc[0].tolist() == ["2026-11-21", "2026-09-21 14:13", 4, 7, 2]


@pytest.mark.parametrize("about", ["Retention", "Legal holds", "Erasures", "Exports"])
def test_whoever_may_not_see_a_list_is_told(about: str) -> None:
    test = page("viewer", about)
    assert not test.dataframe
    assert "Only the role" in said(test)


@pytest.mark.parametrize("about", ["Retention", "Legal holds", "Erasures", "Exports"])
def test_nothing_yet_is_said_in_a_sentence(about: str) -> None:
    test = page("fresh", about)
    assert not test.dataframe
    assert "The first checkpoint is signed within thirty seconds" in said(test)
    assert "Nowhere. Whoever may write the data folder" in said(test)


def test_a_tree_that_does_not_fit_is_said_loudly() -> None:
    assert "Nothing is signed any more: 3 records were signed" in str([each.value for each in page("broken").error])
    assert "keeps no audit tree" in said(page("without"))
