// SPDX-License-Identifier: Apache-2.0
#include "host/host_run.h"

#include "host/host_team.h"

namespace p2plab {

Result<HostRun> run_on_host(const Program& program, HostMemory& memory, const TestData& data, const HostRunOptions& options) {
  HostRun result;
  ProgressBoard board(program);
  {
    HostTeam team(program, memory, board, {.threads = options.threads});
    for (int run = 0; run < options.runs; ++run) {
      memory.fill(data, options.threads);
      team.reset();
      auto time = team.run();
      if (!time) return std::move(time).error();
      result.times.push_back(*time);
    }
  }
  result.check = memory.check(data, options.threads);
  return result;
}

}  // namespace p2plab
