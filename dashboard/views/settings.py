"""Settings: what is set, where it comes from, and what this machine says of itself."""

import pandas as pd
import streamlit as st

from dashboard.data import Data
from dashboard.gateway import Refused
from dashboard.views.parts import table, typed
from dashboard.weekly import WeeklyDesk


def show(desk: WeeklyDesk, data: Data) -> None:
    """Draw the page."""
    st.title("Settings")
    st.caption(
        "Settings come from the environment and `sluice.toml`; `sluice settings` shows them, too. No page changes them."
    )
    try:
        found = pd.DataFrame(desk.settings())
    except Refused as error:
        st.info(f"{error} Settings are shown to the roles admin and auditor.", icon=":material/lock:")
    else:
        asked = typed(st, "Search", "search")
        hits = found[found.astype(str).apply(lambda row: asked.lower() in " ".join(row).lower(), axis=1)]
        wide = {name: st.column_config.TextColumn(name, width="medium") for name in ("name", "value")}
        table(hits, "settings", column_config=wide)
    st.subheader("This machine")
    st.json(data.status(), expanded=1)
