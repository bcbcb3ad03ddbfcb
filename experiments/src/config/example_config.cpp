// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/experiment.h"

namespace p2plab {

std::string example_config() {
  return R"(# What p2plab run reads. Every key is here; those marked optional show their default unless the comment says otherwise.
version: 1
name: example                                # optional; the default is the file's name

# The machine: one of
#   {preset: hgx-h200, gpus: 8}              a machine by name with parameters (p2plab list presets)
#   {file: machine.yaml}                     a description in p2plab's own format
#   {nccl_xml: topo.xml}                     what NCCL_TOPO_DUMP_FILE wrote; infragraph: an InfraGraph
#   {smi: topo.txt}                          what `nvidia-smi topo -m` printed; rocm: `rocm-smi --showtopo`, `amd-smi topology`
#   {nodes: [...], links: [...]}             a description on the spot; {detect: true} is this machine
# Paths are relative to this file. What they leave open is answered beside them: {smi: topo.txt, gpu: l40s, cpu: turin}.
topology: {preset: hgx-h200, gpus: 8}

# Optional: what to pretend is missing. A link may also be lost in part: {between: [gpu0, nvswitch0], fraction: 0.5}.
mask: {links: [], gpus: [gpu7]}

# all_reduce, reduce_scatter, all_gather, broadcast, reduce, gather, scatter, all_to_all, send_receive
collectives: [all_reduce]
root: 0                                      # optional: the rank that gives or gets, where only one does

# Planners (p2plab list algorithms), each by name or with values for its parameters: {name: two_shot, mode: push}.
algorithms: [one_shot]

# nccl-tests' size: the whole buffer of all_reduce and broadcast, the total over ranks of the others. A range or a list.
sizes: {from: 1 KiB, to: 64 MiB, factor: 4}
dtype: float16                               # optional; the default is float32
op: sum                                      # optional: sum, product, min, max, average

# Optional: what launches, flags and thread blocks cost: a name (p2plab list), or a file, relative to this one. The default follows
# the machine's GPUs; ideal: links and latencies only, which is the default where nothing names the GPUs.
profile: h200

# Optional: which form (protocol, thread blocks, slices) a plan takes. model: the one that is predicted fastest; gpu: that in which
# p2plab's kernels run it on GPUs, which is the default where the profile was measured with them (h200.yaml) or the machine is detected.
forms: model

# Optional; the default is [simulator]. What this machine lacks is skipped aloud.
executors: [simulator, host]

# Optional: how real executors measure; up to check_up_to the host executor runs real data.
measure: {warmup: 2, repeats: 5, graph: true, in_place: false, check_up_to: 1 MiB}
nccl: {launch: graph, nvls: false, peers: true}    # optional: of nccl_model; launch: process, torch, threads, one-thread; peers over hosts
seed: 1                                      # optional: of the random data

# Optional: what Found is to answer first; one, or a list. The default is fastest.
#   fastest                                          which algorithm from which size, and how near to the bound
#   {kind: crossover, of: hierarchical, over: ring}  from which size one algorithm beats another
#   against_nccl                                     beside NCCL: measured where it ran, else its own formula
#   cost                                             what that which the mask takes away costs
#   {kind: compare_machines, with: {preset: ...}}    the best here beside the best there
#   prediction_error                                 predictions beside what GPUs measured
question: [fastest, against_nccl]

# Optional: axes by name; each value is a map of the keys above, which stand in their place. Every combination is run.
# matrix:
#   machine: {4 GPUs: {topology: {preset: hgx-h200, gpus: 4}}, 8 GPUs: {topology: {preset: hgx-h200, gpus: 8}}}
#   type: {half: {dtype: float16}, single: {dtype: float32}}
)";
}

}  // namespace p2plab
