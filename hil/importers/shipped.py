"""Make the networks that ship with gridhil from their OpenDSS originals.

Run from a checkout, with the ``opendss`` extra installed::

    python -m hil.importers.shipped

The originals lie in ``tests/data/opendss``; every change that is made to them is in this file.
"""

from __future__ import annotations

import dataclasses as dc
import sys
from pathlib import Path

from hil.importers.opendss import import_opendss
from hil.importers.report import Report
from hil.network_files import write_network, write_overlay
from rtcore.network.model import Network, Switch

CHECKOUT = Path(__file__).resolve().parents[2]
ORIGINALS = CHECKOUT / "tests" / "data" / "opendss"
NETWORKS = CHECKOUT / "config" / "networks"

TIES = {"cb_102": "bus2057", "cb_204": "bus3005", "cb_303": "bus2016"}
"""Normally-open tie breakers of iowa240 and the buses that the original's comments name for them."""


@dc.dataclass(frozen=True, slots=True)
class Recipe:
    """Where a shipped network comes from."""

    title: str
    master: str
    has_ties: bool
    source: str
    extends: str = ""
    """Shipped network of which only the differences are written."""

    @property
    def licence(self) -> str:
        """Path of the licence text among the originals."""
        return self.master.split("/")[0] + "/LICENSE.txt"


IEEE_SOURCE = """\
IEEE {n}-node test feeder of the IEEE PES Distribution Test Feeder Working Group (W. H. Kersting,
"Radial distribution test feeders", IEEE PES Winter Meeting 2001), in the OpenDSS form of the
Electric Power Research Institute: `tests/data/opendss/feeders/{folder}`, three-clause BSD licence
(`LICENSE.txt` beside this file), Copyright (c) 2008-2024 Electric Power Research
Institute, Inc.; Copyright (c) 2018-2024 DSS-Extensions contributors.
"""

IOWA_SOURCE = """\
Iowa State University 240-bus distribution test system: F. Bu, Y. Yuan, Z. Wang, K. Dehghanpour,
A. Kimber, "A Time-Series Distribution Test System Based on Real Utility Data", North American
Power Symposium 2019 (arXiv:1906.04078). Please cite the paper. Taken from the public copy
github.com/imissmat/DigitalTwin_PowerDistribution, commit e2bb1d6 (MIT, `LICENSE.txt` beside this
file); the terms of the original distribution were not found.

Changes by `hil/importers/shipped.py`:

- the nine CB_ lines are breakers;
- the normally-open ties, written in the original as closed lines onto nodes .4.5.6 of their own
  bus, are open breakers to the buses that the original's comments name: CB_102 bus1010 - bus2057,
  CB_204 bus2013 - bus3005, CB_303 bus3081 - bus2016. The stub nodes do not exist here.

Loads are those of Load.dss: one hour's values, P at bus 2002 being 27.94 kW.
"""

RECIPES = {
    "ieee13": Recipe(
        "IEEE 13-node test feeder",
        "feeders/13Bus/IEEE13Nodeckt.dss",
        False,
        IEEE_SOURCE.format(n=13, folder="13Bus"),
    ),
    "ieee123": Recipe(
        "IEEE 123-node test feeder",
        "feeders/123Bus/IEEE123Master.dss",
        False,
        IEEE_SOURCE.format(n=123, folder="123Bus"),
    ),
    "iowa240": Recipe(
        "Iowa 240-bus system, original 300 kVA transformer at bus 2002",
        "iowa240/Master_original.dss",
        True,
        IOWA_SOURCE + "The transformer at bus 2002 is the original one of 300 kVA.\n",
    ),
    "iowa240-ref": Recipe(
        "Iowa 240-bus system, 1125 kVA transformer at bus 2002",
        "iowa240/Master.dss",
        True,
        IOWA_SOURCE
        + "The transformer at bus 2002 is the one of 1125 kVA to which the published snapshot and the\n"
        "reference year belong (the copy's authors put a commercial building there).\n",
        extends="iowa240",
    ),
}


def tie_breakers(network: Network) -> Network:
    """Make the CB_ switches breakers and lead the three ties to the buses they are meant for."""

    def changed(s: Switch) -> Switch:
        if s.name in TIES:
            return dc.replace(s, kind="breaker", bus2=TIES[s.name], nodes2=s.nodes1, is_closed=False)
        return dc.replace(s, kind="breaker") if s.name.startswith("cb_") else s

    return dc.replace(network, switches=tuple(changed(s) for s in network.switches))


def make(name: str, originals: Path = ORIGINALS) -> tuple[Network, Report]:
    """Import one shipped network and apply its changes."""
    recipe = RECIPES[name]
    network, report = import_opendss(originals / recipe.master)
    if recipe.has_ties:
        network = tie_breakers(network)
    return dc.replace(network, name=name, title=recipe.title), report


OVERLAY_NOTE = """
The tables here hold only what differs from the network `{}`, which this folder extends
(`network.toml`); everything else is read from that folder.
"""


def source_note(name: str, report: Report) -> str:
    """Return the text of SOURCE.md."""
    extends = RECIPES[name].extends
    overlay = OVERLAY_NOTE.format(extends) if extends else ""
    dropped = "\n".join(f"- {o}" for o in report.omissions) or "- nothing"
    return (
        f"# {name}: {RECIPES[name].title}\n\n{RECIPES[name].source}{overlay}\n"
        "Converted with `python -m hil.importers.shipped` (dss-python); regulator taps are those at which\n"
        "the controls settle for the loads given here.\n\nNot carried over:\n\n" + dropped + "\n"
    )


def write(network: Network, folder: Path) -> None:
    """Write a shipped network's tables as they are shipped: whole, or over the network it extends."""
    extends = RECIPES[network.name].extends
    if extends:
        write_overlay(network, folder, extends)
    else:
        write_network(network, folder)


def main() -> None:
    """Write all shipped networks."""
    for name, recipe in RECIPES.items():  # a network before those that extend it
        network, report = make(name)
        write(network, NETWORKS / name)
        (NETWORKS / name / "SOURCE.md").write_text(source_note(name, report), encoding="utf-8")
        licence = (ORIGINALS / recipe.licence).read_bytes()
        (NETWORKS / name / "LICENSE.txt").write_bytes(licence)
        sys.stdout.write(f"{name}: {report.text()}\n")


if __name__ == "__main__":
    main()
