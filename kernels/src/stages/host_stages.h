// SPDX-License-Identifier: Apache-2.0
// host, over servers: segments on the memory that a server's processes share, messages between servers over TCP.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "p2plab/program/executor.h"
#include "p2plab/segments/segments.h"
#include "stages/server_memory.h"
#include "stages/tcp_transport.h"

namespace p2plab::stages {

/// This rank's side of a job on several servers. What ranks need to reach each other is kept from run to run.
class HostStages {
 public:
  /// `session` is of all ranks and must outlive it.
  explicit HostStages(Session& session);
  /// All ranks call it together. Errors: those of Executor::run.
  Result<Measurement> run(const Job& job, const RunOptions& options);

 private:
  struct Ready;
  Status join(const Servers& servers, Seconds deadline);
  Status connect(const SegmentedProgram& cut);
  Result<Measurement> measure(const Job& job, const SegmentedProgram& cut, const RunOptions& options, Seconds deadline);
  Result<std::vector<Seconds>> time(Ready& ready, const RunOptions& options, ServerBarrier& barrier);
  Result<Seconds> call(const Ready& ready, ServerBarrier& barrier);
  Error reason(Error mine) const;

  Session& session_;
  Rank self_;
  std::atomic<bool> stop_{false};
  std::shared_ptr<void> listening_;
  std::optional<Servers> servers_;
  std::unique_ptr<Session> server_session_;
  std::unique_ptr<TcpTransport> transport_;
};

}  // namespace p2plab::stages
