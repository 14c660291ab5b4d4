"""Packs the offline verifier into one file that needs only Python and `cryptography`; the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from metrics.proof import bundle_check, journal, notes, offline, report, tree

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PACKAGES = ("metrics/__init__.py", "metrics/proof/__init__.py")
_MAIN = "import sys\n\nfrom metrics.proof.offline import main\n\nsys.exit(main())\n"


def verifier() -> bytes:
    """Return a zip application (`python verify.pyz`); its files can be read with any zip program."""
    files = dict.fromkeys(_PACKAGES, "") | {"__main__.py": _MAIN}
    for module in (bundle_check, journal, notes, offline, report, tree):
        files[module.__name__.replace(".", "/") + ".py"] = Path(str(module.__file__)).read_text("utf-8")
    packed = io.BytesIO(b"#!/usr/bin/env python3\n")
    packed.seek(0, io.SEEK_END)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
