"""Starts the dashboard: Streamlit with telemetry and magic off, on loopback, behind the sign-in page.

`python -m dashboard.server`; it reads SLUICE_GATEWAY_URL, SLUICE_RECORDER_URL, SLUICE_HOST, SLUICE_DASHBOARD_PORT and
SLUICE_DASHBOARD_SECRET, which `sluice dashboard` sets.
"""

import os
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from dashboard.gateway import Gateway
from dashboard.sign_in import Door, routes

STREAMLIT: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "runner.magicEnabled": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 1,
    "server.enableStaticServing": False,
    "theme.light.primaryColor": "#0b6e6e",  # under `theme` itself the page would stay light in the dark
    "theme.dark.primaryColor": "#118a84",
    "logger.level": "warning",
}


def create_app(gateway: Gateway) -> st.App:
    """Return the dashboard as an ASGI application."""
    script = Path(__file__).with_name("app.py")
    return st.App(script, routes=routes(gateway), middleware=[Middleware(Door, gateway=gateway)])


def main() -> None:
    """Serve until stopped."""
    host, port = os.environ.get("SLUICE_HOST", "127.0.0.1"), int(os.environ.get("SLUICE_DASHBOARD_PORT", "8501"))
    url, secret = os.environ.get("SLUICE_GATEWAY_URL"), os.environ.get("SLUICE_DASHBOARD_SECRET")
    gateway = Gateway(url or "http://127.0.0.1:8080", secret=secret or "")
    create_app(gateway).run(config=STREAMLIT | {"server.address": host, "server.port": port})


if __name__ == "__main__":
    main()
