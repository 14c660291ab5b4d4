"""The script Streamlit runs for every visit: who is signed in, which page, which data."""

import os
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from dashboard.data import LiveData
from dashboard.gateway import Gateway, GatewayUnreachable, Refused, SignInRequired, User
from dashboard.queue import LiveQueue
from dashboard.reviews import LiveDesk
from dashboard.sign_in import COOKIE
from dashboard.trust import LiveTrust
from dashboard.views import (
    automations,
    calls,
    certificates,
    cost,
    latency,
    leverage,
    overview,
    policies,
    quality,
    reviews,
    runs,
    settings,
    trust,
    weekly,
)
from dashboard.views.parts import plain
from dashboard.weekly import LiveWeekly
from metrics.client import RecorderClient, RecorderError

# The tables' own download leaves formulas in cells as they are; the pages offer a CSV that does not. Wide tables need
# the room that Streamlit leaves empty around a page. Its links to pages do not show that the keyboard is on them.
_STYLE = """<style>
button[aria-label="Download as CSV"] {display: none}
a:focus-visible, summary:focus-visible {outline: 2px solid #0072B2 !important}
.stMainBlockContainer {padding: 3.5rem 2.5rem 3rem}
</style>"""
_SIDEBAR = 230  # pixels


def connect(gateway: Gateway, session: str) -> tuple[User, LiveData]:
    """Ask the gateway whose session this is and open the recorder for them."""
    user = gateway.me(session)
    recorder_url = os.environ.get("SLUICE_RECORDER_URL", "http://127.0.0.1:8081")
    recorder = RecorderClient(recorder_url, lambda: gateway.query_token(session))
    zone = os.environ.get("SLUICE_TIME_ZONE") or "UTC"
    return user, LiveData(recorder, gateway.status, lambda: gateway.policy_state(session), zone)


def main() -> None:
    """Show the chosen page to whoever is signed in."""
    icon = str(Path(__file__).with_name("icon.png"))
    st.set_page_config("Sluice", icon, layout="wide", initial_sidebar_state=_SIDEBAR)
    gateway = Gateway(os.environ.get("SLUICE_GATEWAY_URL", "http://127.0.0.1:8080"))
    try:
        session = st.context.cookies.get(COOKIE, "")
        user, data = connect(gateway, session)
        desk = LiveDesk(gateway, session)
        proof = LiveTrust(gateway, data.recorder, session)
        queue = LiveQueue(Gateway(os.environ.get("SLUICE_WORKER_URL", "http://127.0.0.1:8082"), part="worker"), session)
        week = LiveWeekly(gateway, session, user.roles)
        now = datetime.now(UTC)
        page = st.navigation(
            {
                "Every week": [
                    st.Page(lambda: weekly.show(week, now), title="Review", url_path="", default=True),
                    st.Page(lambda: automations.show(week, data, now), title="Automations", url_path="automations"),
                    st.Page(lambda: quality.show(data, now), title="Quality layers", url_path="quality"),
                    st.Page(lambda: cost.show(data, now), title="Cost", url_path="cost"),
                    st.Page(lambda: latency.show(data, now), title="Latency", url_path="latency"),
                    st.Page(lambda: leverage.show(week), title="Leverage", url_path="leverage"),
                ],
                "Every day": [
                    st.Page(lambda: overview.show(data, now), title="Overview", url_path="overview"),
                    st.Page(lambda: reviews.show(desk, now), title="Reviews", url_path="reviews"),
                    st.Page(lambda: runs.show(queue, data, now), title="Runs", url_path="runs"),
                    st.Page(lambda: calls.show(data, now), title="Calls", url_path="calls"),
                ],
                "Rules and proof": [
                    st.Page(lambda: policies.show(data, now), title="Policies", url_path="policies"),
                    st.Page(lambda: certificates.show(data, now), title="Certificates", url_path="certificates"),
                    st.Page(lambda: trust.show(proof, now), title="Trust", url_path="trust"),
                    st.Page(lambda: settings.show(week, data), title="Settings", url_path="settings"),
                ],
            },
            expanded=True,
        )
        st.html(_STYLE)
        who_is_here(user)
        page.run()
    except SignInRequired:
        st.info("Your session has ended.")
        st.link_button("Sign in", "/sign-in")
    except Refused as error:
        st.warning(plain(str(error)), icon=":material/block:")
    except (GatewayUnreachable, RecorderError) as error:
        st.error(plain(str(error)), icon=":material/cloud_off:")
        st.button("Try again")


def who_is_here(user: User) -> None:
    """Say who is signed in, and offer the way out."""
    with st.sidebar:
        st.caption(plain(f"Signed in as {user.name} ({', '.join(user.roles)}), tenant {user.tenant}"))
        st.link_button("Sign out", "/sign-out", type="tertiary")


if __name__ == "__main__":
    main()
