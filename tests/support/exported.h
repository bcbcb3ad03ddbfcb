// SPDX-License-Identifier: Apache-2.0
// Plans exported in one line, for tests.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "p2plab/program/builtin_exporters.h"
#include "simulated.h"

namespace p2plab::test {

/// A plan with its machine and its program.
struct Exportable {
  Topology machine;
  Plan plan;
  Program program;
};

/// A planner's plan for `size` bytes.
inline Exportable exportable(const Topology& machine, const std::string& planner, CollectiveKind kind, Bytes size, const Parameters& parameters = {},
                             const Tuning& tuning = {}) {
  auto plan = *plan_on(machine, planner, kind, parameters);
  auto program = lowered(machine, plan.schedule, size, tuning);
  return {machine, std::move(plan), std::move(program)};
}

/// Plans of every kind on a switch with 2, 3, 5 and 8 GPUs.
inline std::vector<Exportable> exportable_plans() {
  using enum CollectiveKind;
  std::vector<Exportable> all;
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = one_switch(n);
    for (const char* planner : {"ring", "tree", "one_shot", "two_shot"}) all.push_back(exportable(machine, planner, all_reduce, 64_KiB));
    all.push_back(exportable(machine, "one_shot", all_reduce, 64_KiB, {{"mode", "pull"}}));
    all.push_back(exportable(machine, "one_shot", all_gather, Bytes{n * 4096}));
    all.push_back(exportable(machine, "ring", reduce_scatter, Bytes{n * 4096}));
    all.push_back(exportable(machine, "pairwise", all_to_all, Bytes{n * n * 4096}));
  }
  return all;
}

/// The files of a format; the program is made anew where the format cuts buffers into equal chunks.
inline Result<std::vector<ExportedFile>> try_export(Exportable& c, const std::string& format) {
  const auto exporters = builtin_exporters();
  const auto exporter = (*exporters.get("format", format))->make();
  if (exporter->even_chunks()) {
    const auto proof = verify(c.machine, c.plan.schedule, {.in_place = c.program.in_place});
    expects(static_cast<bool>(proof));
    c.program = *lower(c.plan.schedule, *proof, even_payload(c.plan.schedule, c.program.payload), c.program.tuning);
  }
  const ExportJob job{&c.machine, &c.plan, &c.program};
  const auto can = exporter->supports(job);
  auto files = exporter->write(job);
  EXPECT_EQ(static_cast<bool>(can), static_cast<bool>(files)) << "supports and write disagree";
  return files;
}

/// The files of a format that supports the plan.
inline std::vector<ExportedFile> exported(Exportable c, const std::string& format) {
  auto files = try_export(c, format);
  expects(static_cast<bool>(files));
  return *std::move(files);
}

}  // namespace p2plab::test
