"""The script Streamlit runs for every visit: who is signed in, which page, which data."""

import os
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from dashboard.data import LiveData
from dashboard.gateway import Gateway, GatewayUnreachable, Refused, SignInRequired, User
from dashboard.pages import (
    automations,
    calls,
    certificates,
    cost,
    latency,
    overview,
    policies,
    quality,
    reviews,
    runs,
    trust,
)
from dashboard.queue import LiveQueue
from dashboard.reviews import LiveDesk
from dashboard.sign_in import COOKIE
from dashboard.trust import LiveTrust
from metrics.client import RecorderClient, RecorderError


def connect(gateway: Gateway, session: str) -> tuple[User, LiveData]:
    """Ask the gateway whose session this is and open the recorder for them."""
    user = gateway.me(session)
    recorder_url = os.environ.get("SLUICE_RECORDER_URL", "http://127.0.0.1:8081")
    recorder = RecorderClient(recorder_url, lambda: gateway.query_token(session))
    zone = os.environ.get("SLUICE_TIME_ZONE") or "UTC"
    return user, LiveData(recorder, gateway.status, lambda: gateway.policy_state(session), zone)


def main() -> None:
    """Show the chosen page to whoever is signed in."""
    st.set_page_config(page_title="Sluice", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide")
    gateway = Gateway(os.environ.get("SLUICE_GATEWAY_URL", "http://127.0.0.1:8080"))
    try:
        session = st.context.cookies.get(COOKIE, "")
        user, data = connect(gateway, session)
        desk = LiveDesk(gateway, session)
        proof = LiveTrust(gateway, data.recorder, session)
        queue = LiveQueue(Gateway(os.environ.get("SLUICE_WORKER_URL", "http://127.0.0.1:8082"), part="worker"), session)
        pages = [
            st.Page(lambda: overview.show(data, datetime.now(UTC)), title="Overview", url_path="", default=True),
            st.Page(lambda: automations.show(data, datetime.now(UTC)), title="Automations", url_path="automations"),
            st.Page(lambda: quality.show(data, datetime.now(UTC)), title="Quality layers", url_path="quality"),
            st.Page(lambda: cost.show(data, datetime.now(UTC)), title="Cost", url_path="cost"),
            st.Page(lambda: latency.show(data, datetime.now(UTC)), title="Latency", url_path="latency"),
            st.Page(lambda: calls.show(data, datetime.now(UTC)), title="Calls", url_path="calls"),
            st.Page(lambda: runs.show(queue, data, datetime.now(UTC)), title="Runs", url_path="runs"),
            st.Page(lambda: reviews.show(desk, datetime.now(UTC)), title="Reviews", url_path="reviews"),
            st.Page(lambda: certificates.show(data, datetime.now(UTC)), title="Certificates", url_path="certificates"),
            st.Page(lambda: policies.show(data, datetime.now(UTC)), title="Policies", url_path="policies"),
            st.Page(lambda: trust.show(proof, datetime.now(UTC)), title="Trust", url_path="trust"),
        ]
        page = st.navigation(pages)
        who_is_here(user)
        page.run()
    except SignInRequired:
        st.info("Your session has ended.")
        st.link_button("Sign in", "/sign-in")
    except Refused as error:
        st.warning(f"{error}", icon=":material/block:")
    except (GatewayUnreachable, RecorderError) as error:
        st.error(f"{error}", icon=":material/cloud_off:")
        st.button("Try again")


def who_is_here(user: User) -> None:
    """Say who is signed in, and offer the way out."""
    with st.sidebar:
        st.caption(f"Signed in as {user.name} ({', '.join(user.roles)}), tenant {user.tenant}")
        st.link_button("Sign out", "/sign-out", type="tertiary")


if __name__ == "__main__":
    main()
