// Plans exported in one line, for tests.
#pragma once

#include <string>
#include <vector>

#include "p2plab/program/builtin_exporters.h"
#include "simulated.h"

namespace p2plab::testing {

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

/// The files of a format that supports the plan.
inline std::vector<ExportedFile> exported(const Exportable& c, const std::string& format) {
  const auto exporters = builtin_exporters();
  const auto exporter = (*exporters.get("format", format))->make();
  const ExportJob job{&c.machine, &c.plan, &c.program};
  expects(static_cast<bool>(exporter->supports(job)));
  auto files = exporter->write(job);
  expects(static_cast<bool>(files));
  return *std::move(files);
}

}  // namespace p2plab::testing
