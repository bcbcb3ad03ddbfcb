// SPDX-License-Identifier: Apache-2.0
// A tuned table for a person.
#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/plan_summary.h"
#include "p2plab/experiment/tuned.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

using enum TextTable::Align;

std::string form(const Tuning& tuning) {
  auto text = std::string{to_string(tuning.protocol)};
  if (tuning.blocks_per_lane > 1) text += fmt::format(", {} blocks per lane", tuning.blocks_per_lane);
  if (tuning.slice.count() > 0 || tuning.slices > 0 || tuning.lane_per_step) text += ", " + slicing(tuning);
  return text;
}

std::string us(std::optional<Seconds> time) { return time ? fmt::format("{:.2f}", microseconds(*time)) : "-"; }

std::string predicted_rows(const TunedTable& table) {
  TextTable rows(
      {{"size", right}, {"algorithm"}, {"runs as"}, {"predicted us", right}, {"bound us", right}, {"gap %", right}, {"runner-up"}, {"us", right}});
  for (const auto& band : table.bands) {
    for (const auto& size : band.sizes) {
      // Calls in a row overlap where not all wait for all, and may take less than the bound, which is of one call.
      const bool comparable = size.bound && size.bound->count() > 0 && size.predicted >= *size.bound;
      const auto gap = comparable ? fmt::format("{:.1f}", (size.predicted / *size.bound - 1) * 100) : "-";
      rows.add({to_string(size.size), band.algorithm.name, form(size.tuning), us(size.predicted), us(size.bound), gap, size.runner_up,
                size.runner_up_time ? us(size.runner_up_time) : ""});
    }
  }
  return rows.text();
}

std::string measured_rows(const TunedTable& table) {
  TextTable rows({{"size", right},
                  {"algorithm"},
                  {"runs as"},
                  {"predicted us", right},
                  {"measured us", right},
                  {"NCCL us", right},
                  {"regret %", right},
                  {"bound us", right},
                  {"use"}});
  for (const auto& band : table.bands) {
    for (const auto& size : band.sizes) {
      const auto& measured = size.measured;
      rows.add({to_string(size.size), band.algorithm.name, form(size.tuning), us(size.predicted), measured ? us(measured->time) : "-",
                measured ? us(measured->nccl) : "-", measured ? fmt::format("{:.1f}", measured->regret * 100) : "-", us(size.bound),
                size.by_nccl() ? "nccl" : "p2plab"});
    }
  }
  return rows.text();
}

std::string timed_with_rows(const TunedTable& table) {
  TextTable rows({{"size", right},
                  {"algorithm"},
                  {"runs as"},
                  {"rows", right},
                  {"in its kernel us", right},
                  {"apart us", right},
                  {"regret %", right},
                  {"rows are"}});
  for (const auto& band : table.bands) {
    for (const auto& size : band.sizes) {
      const auto& its = size.rows;
      rows.add({to_string(size.size), band.algorithm.name, form(size.tuning), its ? fmt::format("{}", its->rows) : "-", its ? us(its->fused) : "-",
                its ? us(its->apart) : "-", size.measured ? fmt::format("{:.1f}", size.measured->regret * 100) : "-",
                size.rows_apart ? "apart" : "fused"});
    }
  }
  return rows.text();
}

// "2 x NVIDIA H200, NVIDIA A100".
std::string counted(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size();) {
    std::size_t end = i;
    while (end < names.size() && names[end] == names[i]) ++end;
    text += (text.empty() ? "" : ", ") + (end - i > 1 ? fmt::format("{} x ", end - i) : std::string{}) + names[i];
    i = end;
  }
  return text.empty() ? "no GPUs" : text;
}

std::string where_measured(const MeasuredOn& on) {
  auto text = fmt::format("measured by executor {} on {}{}, p2plab {}, {}\n", on.executor, counted(on.gpus),
                          on.driver.empty() ? "" : ", driver " + on.driver, on.version, on.date);
  for (const auto& note : on.notes) text += fmt::format("  {}\n", note);
  return text + "regret: how much longer the plan that is predicted fastest takes than the fastest";
}

}  // namespace

std::string to_text(const TunedTable& table) {
  const auto& collective = table.bands.front().plan.schedule.collective();
  auto text =
      fmt::format("{} among {} ranks of {}, {}{}{}, profile {}\n", to_string(collective.kind), collective.members.size(), table.topology.name(),
                  to_string(table.dtype), table.in_place ? ", in place" : "", table.rows.empty() ? "" : ", then " + table.rows, table.profile);
  text += !table.measured ? predicted_rows(table) : table.rows.empty() ? measured_rows(table) : timed_with_rows(table);
  for (const auto& band : table.bands) text += fmt::format("from {}: {}\n", to_string(band.sizes.front().size), band.reason);
  if (!table.proof.empty()) text += fmt::format("bound: {}\n", table.proof);
  if (table.measured)
    text += where_measured(*table.measured) +
            (table.rows.empty() ? "; use: nccl where ours takes over 3 % longer\n" : "; rows are apart where that is over 1 % faster\n");
  return text;
}

}  // namespace p2plab
