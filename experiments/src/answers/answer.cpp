// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "answers/kinds.h"
#include "answers/spans.h"
#include "p2plab/detail/named.h"

namespace p2plab {

namespace {

constexpr std::array kinds{Named{"fastest", QuestionKind::fastest},
                           Named{"crossover", QuestionKind::crossover},
                           Named{"against_nccl", QuestionKind::against_nccl},
                           Named{"cost", QuestionKind::cost},
                           Named{"compare_machines", QuestionKind::compare_machines},
                           Named{"prediction_error", QuestionKind::prediction_error}};

// What is missing where the rows hold no answer.
std::string no_answer(const RunQuestion& question) {
  switch (question.kind) {
    case QuestionKind::crossover: return fmt::format("no size has both {} and {}", question.of, question.over);
    case QuestionKind::against_nccl: return "NCCL did not run here, and its formula does not know this machine or collective";
    case QuestionKind::cost:
    case QuestionKind::compare_machines: return "no size has a plan on both machines";
    case QuestionKind::prediction_error: return "no GPU ran a plan here, so nothing was measured to hold the predictions against";
    case QuestionKind::fastest: break;
  }
  return "no plan could be made";
}

}  // namespace

std::string_view to_string(QuestionKind kind) { return to_name<QuestionKind>(kind, kinds); }
Result<QuestionKind> question_kind(std::string_view name) { return from_name<QuestionKind>("kind of question", name, kinds); }

RunAnswer answer(const RunQuestion& question, const Evidence& evidence) {
  std::vector<std::string> sentences;
  for (const auto kind : answers::collectives_of(evidence.rows)) {
    answers::Sentences found;
    switch (question.kind) {
      case QuestionKind::fastest: found = answers::fastest(evidence, kind); break;
      case QuestionKind::crossover: found = answers::crossover(question, evidence, kind); break;
      case QuestionKind::against_nccl: found = answers::against_nccl(evidence, kind); break;
      case QuestionKind::cost: found = answers::cost(evidence, kind); break;
      case QuestionKind::compare_machines: found = answers::machines(question, evidence, kind); break;
      case QuestionKind::prediction_error: found = answers::prediction_error(evidence, kind); break;
    }
    std::ranges::move(found, std::back_inserter(sentences));
  }
  if (!sentences.empty()) return {true, std::move(sentences)};
  return {false, {fmt::format("No answer to '{}': {}.", to_string(question.kind), no_answer(question))}};
}

}  // namespace p2plab
