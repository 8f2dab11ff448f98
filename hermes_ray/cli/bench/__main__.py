"""``python -m hermes_ray.cli.bench``: the benchmarks where the libraries of the other commands are not installed."""

import typer

from hermes_ray.cli.bench.command import bench
from hermes_ray.cli.console.exits import HermesGroup

if __name__ == "__main__":
    app = typer.Typer(cls=HermesGroup, pretty_exceptions_enable=False)
    app.add_typer(bench)
    app()
