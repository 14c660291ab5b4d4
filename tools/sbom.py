"""`make sbom`: what Sluice is made of, as CycloneDX, from the hashed lock: no path of this machine, no registry."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.environments import python_of

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements.lock"
OUTPUT: Final = ROOT / "build" / "sbom.json"
_CHECK: Final = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(str(problem) if problem else 0)
"""


def plain(bom: dict[str, Any]) -> dict[str, Any]:
    """Keep of a bill what the lock says: names, versions, and the hashes of every artifact that may be installed."""
    components = [_component(each) for each in bom["components"]]
    root = bom["metadata"]["component"] | {"bom-ref": "sluice"}
    for tool in bom["metadata"]["tools"]["components"]:
        tool.pop("externalReferences", None)
    edges = [{"ref": each["bom-ref"]} for each in components]
    edges.insert(0, {"ref": "sluice", "dependsOn": sorted(each["bom-ref"] for each in components)})
    return bom | {
        "metadata": bom["metadata"] | {"component": root},
        "components": sorted(components, key=lambda each: str(each["bom-ref"])),
        "dependencies": edges,
    }


def _component(found: dict[str, Any]) -> dict[str, Any]:
    hashes = {each["content"] for place in found.get("externalReferences", ()) for each in place.get("hashes", ())} | {
        each["content"] for each in found.get("hashes", ())
    }
    noted = [{"name": "sluice:artifact:sha-256", "value": each} for each in sorted(hashes)]
    kept = {name: found[name] for name in ("type", "name", "version", "purl")}
    return kept | {"bom-ref": found["purl"], "properties": noted}


@click.command()
def main() -> None:
    """Write build/sbom.json."""
    python = python_of(ROOT / "tools" / "requirements" / "sbom.txt")
    command = ["-W", "ignore", "-m", "cyclonedx_py", "requirements", "--pyproject", "pyproject.toml"]
    options = ["--mc-type", "application", "--output-reproducible", "--short-PURLs", "--of", "JSON", "--sv", "1.6"]
    made = subprocess.run(
        [python, *command, *options, LOCK.name], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    text = json.dumps(plain(json.loads(made)), indent=1, sort_keys=True) + "\n"
    subprocess.run([python, "-c", _CHECK], input=text, check=True, text=True)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(text, "utf-8")
    click.echo(f"{OUTPUT.relative_to(ROOT)}: {text.count('sluice:artifact:sha-256')} artifacts of the locked packages.")


if __name__ == "__main__":
    main()
