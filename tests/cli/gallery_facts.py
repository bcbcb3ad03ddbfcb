#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is every number that the reference collection's gallery.json has of a machine in the project's gallery, as published? Usage: gallery_facts.py
PROGRAM SOURCE. Ends with 77, which skips the test, where the collection is absent."""
import json
import os
import pathlib
import subprocess
import sys

MACHINES = {
    "dgx1-p100-8": ["DGX-1 P100", "DGX-1 P100, PCIe only"], "dgx1-v100-8": ["DGX-1 V100"], "dgx2-v100-16": ["DGX-2"], "a100-sxm-8": ["A100 SXM4"],
    "h100-sxm-8": ["H100 SXM5"], "b200-sxm-8": ["B200"], "a100-pcie-8-nv12-pairs": ["A100 PCIe pairs"], "rtx3090-4-nv4-pairs": ["RTX 3090, NVLink pairs"],
    "rtx3090-2-vm-mirror": ["RTX 3090, guest"], "rtx3090-3-chipset": ["RTX 3090, chipset"], "rtx3090-8-plx-nop2p": ["RTX 3090, 2 switches"],
    "rtx4090-4-shm-vs-p2p": ["RTX 4090, root ports"], "rtx4090-8-dual-epyc": ["RTX 4090, 2 EPYC"],
    "rtxpro6000-8-microchip-flat": ["RTX PRO 6000, 2 switches", "RTX PRO 6000, gen 2 up"], "l40s-8-dual-numa": ["L40S, 2 sockets"], "mi300x-8": ["MI300X"]}

# Parts of a case that are no measurement, and why they have no row.
NOT_MEASURED = {
    "model_check": "worked out from the others", "links": "how GPUs are linked: in the topology; rates fitted to copies are rows (below)",
    "topo_m": "words, in the topology", "connectivity": "yes or no, in the topology", "sources": "addresses", "gpus": "the machine", "quality": "words",
    "title": "words", "id": "words"}
# What a model was fitted with, as rates of copies.
FITTED_RATES = {"dgx1-p100-8": [18.41], "dgx1-v100-8": [21.7, 43.5], "dgx2-v100-16": [125.0], "mi300x-8": [48]}


def measured(case):
    """All numbers that somebody measured, each with its place. Zero is below what the tool prints; a matrix's diagonal is a GPU's own memory, which no
    link joins; one GPU alone sends nothing."""
    for name, matrix in case.get("matrices", {}).items():
        if name == "connectivity":
            continue
        rows = matrix if isinstance(matrix[0], list) else [matrix]
        for a, row in enumerate(rows):
            for b, value in enumerate(row):
                if value and a != b:
                    yield f"{name}[{a}][{b}]", value
    for i, collective in enumerate(case.get("collectives", [])):
        for gpus, value in collective.get("by_n", {}).items():
            if value and gpus != "1":
                yield f"collectives[{i}] of {gpus}", value
        for point in collective.get("points", []):
            value = point.get("time_us", point.get("busbw_GBps"))
            if value:
                yield f"collectives[{i}] at {point['bytes']} B", value
        for what, value in collective.get("busbw_GBps", {}).items():
            yield f"collectives[{i}] by {what}", value
    for scalar in case.get("scalars", []):
        if scalar["unit"] in ("text", "bytes"):
            continue  # no number of a model: "hangs", no byte delivered
        for value in scalar.get("values", [scalar.get("value")]):
            yield scalar["what"], value
    for flows in case.get("contention", []):
        for value in flows.get("values", [flows.get("write")]):
            yield flows["flows"], value
    for rate in FITTED_RATES.get(case["id"], []):
        yield "links", rate


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    reference = pathlib.Path(os.environ.get("P2PLAB_REFERENCE", source / "../shared/reference")) / "gallery.json"
    if not reference.is_file():
        print(f"skipped: there is no {reference}")
        sys.exit(77)
    ran = subprocess.run([program, "run", str(source / "configs/gallery.yaml"), "--json"], capture_output=True, text=True, check=True)
    published = {}
    for row in json.loads(ran.stdout)["rows"]:
        published.setdefault(row["machine"], []).append(row["published"])
    missing, count = [], 0
    for case in json.loads(reference.read_text())["cases"]:
        unknown = set(case) - set(NOT_MEASURED) - {"matrices", "collectives", "scalars", "contention"}
        if unknown:
            missing.append(f"{case['id']}: {', '.join(unknown)} is new")
        there = [value for machine in MACHINES[case["id"]] for value in published.get(machine, [])]
        for place, value in measured(case):
            count += 1
            if not any(abs(value - known) <= 1e-6 * value for known in there):
                missing.append(f"{case['id']}: {place} = {value}")
    if missing:
        sys.exit("no row of the gallery has\n  " + "\n  ".join(missing))
    print(f"all {count} numbers have a row")


main()
