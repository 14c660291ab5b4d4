"""Runs the simulated provider as its own process: `python -m demo.provider --port 0`."""

import logging
import socket
import sys
import threading

import click
import uvicorn

from demo.provider import corpus, model
from demo.provider.clock import SystemClock
from demo.provider.faults import KINDS, Fault, Faults, spread
from demo.provider.server import Provider


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port; 0 takes any free one and prints it.")
@click.option("--seed", default=0, show_default=True, help="Fixes every random draw of this process.")
@click.option(
    "--latency-scale", default=1.0, show_default=True, help="Multiplies all waiting times; 0 answers at once."
)
@click.option(
    "--fault-rate", default=0.0, show_default=True, help="Share of requests with a fault, spread over all kinds."
)
@click.option("--fault", "faults", multiple=True, metavar="KIND=RATE", help=f"Rate of one kind: {', '.join(KINDS)}.")
@click.option("--with-parent", is_flag=True, help="Stop when standard input closes.")
def main(**options: object) -> None:
    """Serve the simulated provider: an OpenAI-compatible API answered by small real methods, called simulated."""
    rates = _rates(float(str(options["fault_rate"])), options["faults"])
    seed = int(str(options["seed"]))
    app = Provider(
        model.build(corpus.load()),
        SystemClock(),
        Faults(rates, seed),
        seed=seed,
        pace_scale=float(str(options["latency_scale"])),
    )
    listener = socket.create_server((str(options["host"]), int(str(options["port"]))))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2))
    click.echo(f"simulated provider: http://{options['host']}:{listener.getsockname()[1]}/v1")
    sys.stdout.flush()
    if options["with_parent"]:
        threading.Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    # Cut streams are one of the faults; the server's complaint about them would be noise.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    server.run(sockets=[listener])


def _stop_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


def _rates(total: float, named: object) -> dict[Fault, float]:
    rates = spread(total)
    for pair in named if isinstance(named, tuple) else ():
        kind, _, rate = str(pair).partition("=")
        if kind not in KINDS:
            raise click.BadParameter(f"{kind}: a kind is one of {', '.join(KINDS)}", param_hint="--fault")
        rates[kind] = float(rate)
    if sum(rates.values()) > 1 or min(rates.values()) < 0:
        raise click.BadParameter("rates are shares that sum to at most 1", param_hint="--fault-rate")
    return rates


if __name__ == "__main__":
    main()
