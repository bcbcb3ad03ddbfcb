// SPDX-License-Identifier: Apache-2.0
#include "host/host_run.h"

#include "host/host_epilogue.h"
#include "host/host_team.h"

namespace p2plab {

Result<HostRun> run_on_host(const Program& program, HostMemory& memory, const TestData& data, const HostRunOptions& options) {
  HostRun result;
  ProgressBoard board(program);
  std::optional<HostEpilogue> epilogue;
  if (program.epilogue) epilogue.emplace(program, memory);
  {
    HostTeam team(program, memory, board, {.threads = options.threads});
    for (int run = 0; run < options.runs; ++run) {
      memory.fill(data, options.threads);
      team.reset();
      auto time = team.run();
      if (!time) return std::move(time).error();
      result.times.push_back(*time + (epilogue ? epilogue->run(options.threads) : Seconds{0}));
    }
  }
  result.check = memory.check(data, options.threads);
  if (epilogue) merge(result.check, epilogue->check(options.threads));
  return result;
}

}  // namespace p2plab
