// SPDX-License-Identifier: Apache-2.0
// What a config asks, and the answer that a run's rows give.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/machine/topology.h"
#include "p2plab/report/report.h"

namespace p2plab {

/// fastest: which algorithm from which size, and how near to the bound. crossover: from which size does one algorithm beat another. against_nccl:
/// how does the best of ours stand beside NCCL. cost: what does what the mask takes away cost. compare_machines: how does this machine stand beside
/// another. prediction_error: how near are predictions to what GPUs measured.
enum class QuestionKind : std::uint8_t { fastest, crossover, against_nccl, cost, compare_machines, prediction_error };

std::string_view to_string(QuestionKind kind);
Result<QuestionKind> question_kind(std::string_view name);

struct RunQuestion {
  QuestionKind kind = QuestionKind::fastest;
  std::string of = {};                           // crossover: this algorithm ...
  std::string over = {};                         // ... against that one
  std::optional<Topology> other = std::nullopt;  // cost: the whole machine; compare_machines: the one beside this
};

/// What an answer is drawn from. Times of CPU threads are never part of one.
struct Evidence {
  std::string machine = {};
  std::vector<std::string> masked = {};  // what is missing of it, in words
  std::span<const Row> rows = {};
  std::span<const Row> other_rows = {};  // predictions for the question's other machine
};

struct RunAnswer {
  bool answered = false;  // else the sentence says why not
  std::vector<std::string> sentences = {};
};

/// Sentences with numbers and, where the profile has them, intervals; one or more for each collective.
RunAnswer answer(const RunQuestion& question, const Evidence& evidence);

}  // namespace p2plab
