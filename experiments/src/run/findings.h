// SPDX-License-Identifier: Apache-2.0
// What a run found out, in sentences.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "p2plab/report/report.h"
#include "run/planned_case.h"
#include "run/recordings.h"

namespace p2plab {

/// Per collective: the link that limits the winner at the largest size, and what it allows.
std::vector<std::string> bottleneck_sentences(const Evaluator& evaluator, std::span<const PlannedCase> cases, std::span<const Row> rows);

/// Where a hierarchical all-reduce was planned and PCIe carries data: its load on the busiest GPU's PCIe port against a flat ring's.
std::vector<std::string> pcie_sentences(const Evaluator& evaluator, std::span<const PlannedCase> cases);

/// Per collective: where the winner's time at the largest size goes, by its critical path, and the link that it spends most of it on.
std::vector<std::string> critical_path_sentences(const Evaluator& evaluator, std::span<const WinnerRecording> recordings, std::span<const Row> rows);

/// Per collective, the row that a device took most longer or shorter for than predicted, outside the interval and by over a tenth: which part of its
/// critical path would explain it.
std::vector<std::string> outlier_sentences(const Evaluator& evaluator, std::span<const PlannedCase> cases, std::span<const Row> rows);

/// What happened on the GPUs while which rows were timed.
std::vector<std::string> disturbed_sentences(std::span<const Row> rows);

/// Which winners have no trace, and why.
std::vector<std::string> trace_sentences(std::span<const WinnerRecording> recordings);

/// How wide the predictions' intervals are, where there are any.
std::vector<std::string> interval_sentences(std::span<const Row> rows);

/// How many rows real data confirmed.
std::vector<std::string> data_sentences(std::span<const Row> rows);

/// Payloads over the PCIe links of the GPU that carries most of them, in its busier direction.
double pcie_port_load(const Topology& topology, const Schedule& schedule);

}  // namespace p2plab
