// SPDX-License-Identifier: Apache-2.0
#include "processes/results.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "p2plab/detail/digest.h"
#include "p2plab/detail/reference_data.h"
#include "p2plab/program/program.h"
#include "processes/message.h"

namespace p2plab::processes {

std::string build() { return P2PLAB_VERSION; }

std::string digest(const Program& program, const RunOptions& options) {
  Digest digest;
  digest.add(to_string(p2plab::digest(program)));
  for (const auto value :
       {std::int64_t{options.warmup}, std::int64_t{options.repeats}, std::int64_t{options.calls}, static_cast<std::int64_t>(options.seed),
        std::int64_t{options.check ? 1 : 0}, std::int64_t{options.graph ? 1 : 0}, std::int64_t{options.staged ? 1 : 0}}) {
    digest.add(value);
  }
  const auto& shape = options.shape;
  for (const auto value : {shape.threads, shape.blocks, shape.threads_per_processor, shape.batch, shape.interpret ? 1U : 0U,
                           shape.bulk ? 1U + (*shape.bulk ? 1U : 0U) : 0U, shape.programmatic ? 1U : 0U, shape.first_call}) {
    digest.add(std::int64_t{value});
  }
  return to_string(digest.value());
}

Result<std::vector<Seconds>> combine_samples(Session& session, const std::vector<Seconds>& mine, Choice choice) {
  constexpr std::size_t at_once = 4096;  // samples that fit into a message
  std::vector<Seconds> combined;
  for (std::size_t from = 0; from < mine.size(); from += at_once) {
    const auto count = std::min(at_once, mine.size() - from);
    std::string text(count * sizeof(double), '\0');
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = mine[from + i].count();
      std::memcpy(text.data() + i * sizeof value, &value, sizeof value);
    }
    const auto all = session.all_gather(text);
    if (!all) return all.error();
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<double> values;
      for (const auto& theirs : *all) {
        if (theirs.size() != text.size()) return Error{ErrorCode::device_failure, "ranks have different numbers of samples"};
        values.emplace_back();
        std::memcpy(&values.back(), theirs.data() + i * sizeof(double), sizeof(double));
      }
      combined.emplace_back(choice == Choice::slowest ? std::ranges::max(values) : std::ranges::min(values));
    }
  }
  return combined;
}

Result<DataCheck> combine_checks(Session& session, const DataCheck& mine) {
  const auto all = session.all_gather(fmt::format("{} {} {} {}", mine.elements, mine.wrong, mine.worst_error, mine.first_wrong));
  if (!all) return all.error();
  DataCheck sum{.passed = true};
  for (const auto& text : *all) {
    DataCheck one;
    char* at = nullptr;
    one.elements = std::strtoll(text.c_str(), &at, 10);
    one.wrong = std::strtoll(at, &at, 10);
    one.worst_error = std::strtod(at, &at);
    one.first_wrong = *at == ' ' ? at + 1 : at;
    one.passed = one.wrong == 0;
    merge(sum, one);
  }
  return sum;
}

Status all_well(Session& session, const Status& mine) {
  const auto all = session.all_gather(outcome_text(mine));
  if (!all) return mine ? Status{all.error()} : mine;
  for (std::size_t r = 0; r < all->size(); ++r) {
    auto outcome = outcome_of((*all)[r]);
    if (outcome) continue;
    auto error = std::move(outcome).error();
    error.message = fmt::format("rank {}: {}", r, error.message);
    return error;
  }
  return {};
}

}  // namespace p2plab::processes
