"""A real gateway that stops: streams end honestly, and hung upstreams hold nothing up."""

from collections.abc import Iterator

import pytest

from benchmarks.campaign_drain import Site, site_of, stops

pytestmark = [pytest.mark.xdist_group("sluice-up"), pytest.mark.timeout(180)]


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of(tmp_path_factory.mktemp("site")) as made:
        yield made


def test_streams_end_honestly_and_hung_calls_do_not_hold_up_the_exit(site: Site) -> None:
    stops(site, 1)
    assert not [line for line in site.bad if "a stop took" not in line]  # how long it took is for the campaign to say
