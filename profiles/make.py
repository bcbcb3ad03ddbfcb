#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules by which the profiles of machines that nobody calibrated are made from published figures: `profiles/make.py` writes them,
`profiles/make.py --check` fails if a file differs. profiles/h200.yaml is measured, and not made here.

Rules:
 1. launch is an empty kernel in a CUDA graph; 0.69 us on the H200, more on older hosts. The interval holds both ends that anybody published.
 2. poll, signal_peer: what a whole flag takes by publication, less the links' latency, which the machine's description has; NCCL 2.30 takes
    0.6 us for an LL hop over NVLink and 1.0 us over PCIe. fence: 0.89 us on the H200, as much again where nobody measured.
 3. store_rate: what NCCL 2.30 lets a channel carry (tree and LL128 at the lower end, the fastest ring channel that it tries at the upper).
    load_rate: 0.6 to 0.75 of it, as on the H200, and less over PCIe, where a load waits for the way there and back. reduce_rate: twice it.
 4. memory_rate: data sheets; the interval reaches down to what kernels reach of it.
 5. link_efficiency: published rings over the raw rate; copy_efficiency: published pair copies over it. PCIe presets have net rates already.
 6. read_request: a load asks for its data, which takes the way once more; over PCIe the links' latencies are already those of loads, there and back
    (0.72 us through one switch, 1.42 through two and the root: p2pmark on RTX PRO 6000). copy_start: how often an engine starts a least copy, one
    after the other (p2pBandwidthLatencyTest), which is the GPU's, not the links': 1.9 us on Volta, 1.7 to 3.4 on Ampere, 0.4 on Blackwell.
 7. quirks: those of hardware alike. Input-queued switches pass 0.586 where every port sends to many (Karol, Hluchyj, Morgan 1987).
 8. A GPU without a file has the profile of its architecture (experiments/src/plan/usual_profile.cpp).
"""
import pathlib
import sys

HEADER = "# Made by profiles/make.py from published figures; no kernel of ours was timed there.\nversion: 1\n"
HOP = "NCCL 2.30 takes 0.6 us for an LL hop over NVLink in all"
PCIE_HOP = "NCCL 2.30 takes 1.0 us for an LL hop over PCIe in all"
DATA_SHEET = "data sheet, and what kernels reach of it"
H200 = "as measured on the H200, wider"

# By architecture: value, low, high (us and GB/s) and source.
ARCHITECTURES = {
    "pascal": {
        "launch": (6, 3, 9, "NCCL 2.0 takes 8 us for one GPU (Tartan, latency.txt)"),
        "signal_peer": (0.8, 0.4, 1.6, "NCCL 2.0 latencies grow by 4.5 us a GPU, two rounds of copy, fence and flag"),
        "signal_local": (1, 0.5, 1.5, "rule 2"), "poll": (0.4, 0.2, 0.8, "rule 2"), "fence": (1.5, 0.8, 2.5, "rule 2"),
        "slice_cost": (0.3, 0.1, 0.6, "rule 1"), "store_rate": (18, 10, 18.4, "one NCCL 2.0 ring reaches 17.3 GB/s"),
        "load_rate": (12, 7, 18, "rule 3"), "reduce_rate": (36, 20, 50, "rule 3")},
    "volta": {
        "launch": (2, 1, 4, "rule 1, on a CPU of 2017"), "signal_peer": (0.6, 0.3, 1.2, HOP), "signal_local": (0.8, 0.4, 1.2, "rule 2"),
        "poll": (0.3, 0.1, 0.6, HOP), "fence": (1.5, 0.8, 2.5, "rule 2"), "slice_cost": (0.2, 0.1, 0.4, "rule 1"),
        "store_rate": (20, 15, 26.5, "NCCL 2.30 caps a channel on Volta: 20 (LL128), 26.5 (tree)"),
        "load_rate": (14, 9, 20, "rule 3"), "reduce_rate": (40, 25, 60, "rule 3")},
    "ampere": {
        "launch": (1, 0.7, 2, "rule 1"), "signal_peer": (0.4, 0.2, 0.9, HOP), "signal_local": (0.7, 0.4, 1, "rule 2"),
        "poll": (0.2, 0.1, 0.6, HOP), "fence": (1.2, 0.6, 2, "rule 2"), "slice_cost": (0.15, 0.05, 0.3, "rule 1"),
        "store_rate": (24, 20, 40, "NCCL 2.30 caps a channel on Ampere: 20 (LL128), 24 (tree); 40 is the fastest ring channel that it tries"),
        "load_rate": (18, 12, 24, "rule 3"), "reduce_rate": (48, 30, 80, "rule 3")},
    "hopper": {
        "launch": (0.7, 0.6, 1, H200), "signal_peer": (0, 0, 0.3, H200), "signal_local": (0.5, 0.3, 0.8, H200), "poll": (0.1, 0.05, 0.3, H200),
        "fence": (0.89, 0.6, 1.5, H200), "slice_cost": (0.1, 0.05, 0.2, H200),
        "store_rate": (45.8, 36.7, 65, "as the H200; NCCL 2.30 caps a channel on Hopper: 36.7 (LL128), 65 (symmetric kernels)"),
        "load_rate": (27, 24, 44, "as the H200; NCCL 2.30: 44 (symmetric all-gather, a block)"), "reduce_rate": (90, 60, 130, H200)},
    "blackwell": {
        "launch": (0.7, 0.6, 1.5, H200), "signal_peer": (0.1, 0, 0.4, H200), "signal_local": (0.5, 0.3, 0.8, H200), "poll": (0.1, 0.05, 0.4, H200),
        "fence": (0.89, 0.6, 1.5, H200), "slice_cost": (0.1, 0.05, 0.2, H200),
        "store_rate": (55, 40, 90, "NCCL 2.30 on Blackwell: 40 (LL128), 55 (symmetric kernels); 90 is the fastest ring channel that it tries"),
        "load_rate": (36, 26, 60, "rule 3"), "reduce_rate": (110, 70, 160, "rule 3")},
    "cdna": {
        "launch": (3, 1.5, 6, "rule 1, wider: nobody published one"), "signal_peer": (0.6, 0.3, 1.5, "rule 2, wider"),
        "signal_local": (0.8, 0.4, 1.5, "rule 2, wider"), "poll": (0.3, 0.1, 0.8, "rule 2, wider"), "fence": (1.5, 0.8, 3, "rule 2, wider"),
        "slice_cost": (0.2, 0.1, 0.4, "rule 1, wider"), "store_rate": (20, 8, 40, "rule 3, wider"), "load_rate": (14, 6, 30, "rule 3, wider"),
        "reduce_rate": (40, 20, 80, "rule 3, wider")},
    "pcie": {
        "copy_start": (0.42, 0.34, 1.1, "least copies one after the other: 0.36 to 0.53 us on RTX 5090 and RTX PRO 6000"),
        "launch": (1, 0.7, 3, "rule 1"),
        "signal_peer": (0.7, 0.3, 1.4, "less than the 0.72 us (one switch) to 1.42 us (two) of a whole flag on RTX PRO 6000"),
        "signal_local": (0.7, 0.3, 1, "rule 2"), "poll": (0.3, 0.1, 1, PCIE_HOP), "fence": (1.5, 0.8, 3, "rule 2"),
        "slice_cost": (0.15, 0.05, 0.3, "rule 1"), "store_rate": (24, 12, 40, "rule 3: Ampere, Ada"),
        "load_rate": (12, 6, 24, "rule 3"), "reduce_rate": (48, 24, 90, "rule 3")},
}

EXCHANGE = "exchange: 0.586"
# By profile: architecture, what it is, memory_rate, link_efficiency, copy_efficiency, copy_start, quirks.
MACHINES = {
    "p100": ("pascal", "P100 SXM2 with direct NVLink 1 (the first DGX-1)", (732, 500, 732),
             (0.865, 0.8, 0.92, "one NCCL ring 17.28 of 20 GB/s a link (Tartan)"), (0.92, 0.91, 0.925, "pair copies 18.41 of 20 GB/s a link (Tartan)"),
             (9, 3, 12, "a least copy takes 9.7 us over NVLink (Tartan)"), ""),
    "v100": ("volta", "V100 SXM2 and SXM3: direct NVLink 2 or NVSwitch", (900, 750, 900),
             (0.868, 0.8, 0.92, "copies: TACCL, 46 us/MB over a link of 25 GB/s is 21.7 GB/s; NCCL counts 20"), (0.868, 0.8, 0.93, "TACCL: 46 us/MB over a link of 25 GB/s is 21.7 GB/s"),
             (1.9, 1.6, 2.4, "least copies between four V100 (ABCI)"), ""),
    "a100": ("ampere", "A100 SXM4 behind NVSwitch", (1555, 1300, 2039), (0.8, 0.77, 0.92, "rings reach 235 to 240 of 300 GB/s (stas00/ml-engineering)"),
             (0.915, 0.9, 0.945, "pair copies 274.5 of 300 GB/s (stas00/ml-engineering)"), (2.9, 1.7, 3.5,
             "least copies among eight A100: 2.8 to 3.4 us (ABCI), 1.7 to 2.5 over PCIe (t9k)"), ""),
    "h100": ("hopper", "H100 SXM5 behind NVSwitch: the silicon of the H200", (3350, 2800, 3350),
             (0.82, 0.77, 0.836, "370 of 450 GB/s effective (NVIDIA/nccl-tests issue 212)"),
             (0.836, 0.81, 0.88, "pair copies 376 of 450 GB/s (NVIDIA/nccl issue 1264); the H200 copies 395"), None, "duplex_read: 0.9"),
    "b200": ("blackwell", "B200 behind NVSwitch", (8000, 6500, 8000), (0.78, 0.74, 0.81, "rings 682 of 900 GB/s (stas00/ml-engineering); NCCL counts 0.802"),
             (0.86, 0.8, 0.9, "between the H100's and the H200's"), None, "duplex_read: 0.9"),
    "mi100": ("cdna", "MI100, xGMI in fours", (1229, 900, 1229), (0.75, 0.65, 0.85, "as the MI300X"), (0.75, 0.65, 0.85, "as the MI300X"), None, ""),
    "mi250x": ("cdna", "MI250 and MI250X, xGMI of 50 GB/s a link", (1600, 1200, 1600), (0.75, 0.68, 0.8, "as the MI300X; kernels copy 37 to 38 of 50 GB/s"),
               (0.75, 0.68, 0.8, "the same"), None, ""),
    "mi300x": ("cdna", "MI300X, xGMI full mesh", (5300, 4000, 5300), (0.75, 0.7, 0.77, "48 of 64 GB/s a link; RCCL 47.7 GB/s on two, 312.9 on eight (44.7 a link)"),
               (0.75, 0.74, 0.77, "AMD: 48 of 64 GB/s a link (rocm.blogs.amd.com, mi300x-rccl-xgmi)"), None, ""),
    "mi355x": ("cdna", "MI350X and MI355X, xGMI full mesh of 76.8 GB/s", (8000, 6000, 8000), (0.75, 0.7, 0.8, "as the MI300X"), (0.75, 0.7, 0.8, "as the MI300X"), None, ""),
}
PCIE_SHARE = (0.97, 0.9, 1, "of the presets net rates: 25.46 in rings against 26.26 GB/s a single hop on L40S (flashinfer PR 4870)")
PCIE_STARTS = {"pcie3": (1.9, 1, 2.4, "as Volta"), "pcie5": None}
PCIE_AMPERE = (1.7, 0.9, 2.6, "least copies: 1.0 us on RTX 3090 in a guest, 1.7 to 2.5 on A100 under PCIe switches")
for name, memory, share, quirks in (
        ("pcie3", (616, 320, 936), PCIE_SHARE, EXCHANGE), ("pcie4", (936, 800, 1008), PCIE_SHARE, EXCHANGE),
        ("pcie4_root", (936, 800, 1008), PCIE_SHARE, "posted_writes: 0.1"),
        ("pcie5", (1792, 800, 1792), (0.95, 0.9, 1, "of the presets net rates: 50.6 in a ring, 53.4 GB/s a pair copy (voipmonitor/rtx6kpro)"), EXCHANGE)):
    root = ", on root ports without a switch, where posted writes collapse (NVIDIA/nccl issue 1603: 2 of 18 GB/s)" if "root" in name else ""
    MACHINES[name] = ("pcie", f"GPUs on PCIe gen {name[4]} x16, with or without NVLink bridges{root}", memory, share, None, PCIE_STARTS.get(name, PCIE_AMPERE), quirks)


def number(key, unit, value, low, high, source):
    source = source.replace("'", "''")
    return f"{key}: {{value: {value:g}{unit}, low: {low:g}{unit}, high: {high:g}{unit},\n  source: '{source}'}}\n"


def profile(name):
    architecture, title, memory, links, copies, copy_start, quirks = MACHINES[name]
    text = f"# {title}.\n{HEADER}name: {name}\nsource: 'published figures, by the rules of profiles/make.py'\n"
    for key, (value, low, high, source) in ARCHITECTURES[architecture].items():
        if key == "copy_start" and copy_start:
            continue
        text += number(key, " GB/s" if key.endswith("_rate") else " us", value, low, high, source)
    text += number("memory_rate", " GB/s", *memory, DATA_SHEET)
    text += f"outstanding: 8\nread_request: {0 if architecture == 'pcie' else 1}\n" + number("link_efficiency", "", *links)
    if copies:
        text += number("copy_efficiency", "", *copies)
    if copy_start:
        text += number("copy_start", " us", *copy_start)
    return text + (f"quirks: {{{quirks}}}\n" if quirks else "")


def main():
    folder = pathlib.Path(__file__).parent
    differ = []
    for name in MACHINES:
        file = folder / f"{name}.yaml"
        if file.is_file() and file.read_text() == profile(name):
            continue
        differ.append(name)
        if "--check" not in sys.argv:
            file.write_text(profile(name))
    if "--check" in sys.argv and differ:
        sys.exit(f"not as the rules make them: {', '.join(differ)}; run profiles/make.py")


main()
