// SPDX-License-Identifier: Apache-2.0
// Jobs of many processes that one of them leads: rank 0 plans, decides what is run how often, and reports; the others run what it runs. So nothing
// that one rank decides by its clock, its GPUs' states or its user needs agreement.
#pragma once

#include <memory>
#include <string>

#include "p2plab/program/executor.h"
#include "p2plab/run/processes.h"

namespace p2plab {

/// Executor `host`, `cuda` or `nccl`, each rank in its own process; null for another name.
std::unique_ptr<Executor> process_executor(const std::string& name, Session& session);

/// On rank 0: whatever it runs, and is asked for its state, goes to all ranks. One job has one leader at a time, whose end lets the others go.
class Leader {
 public:
  explicit Leader(Session& session) : session_(session) {}
  ~Leader();
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;
  Leader(Leader&&) = delete;
  Leader& operator=(Leader&&) = delete;

  int ranks() const { return session_.ranks(); }
  /// An executor that all ranks are; it must not outlive the leader. Its `available` is an error if it is one on any rank. Null for an executor that
  /// runs in one process only.
  std::unique_ptr<Executor> executor(const std::string& name);
  /// What each rank says of the GPU that it has first: its model; empty where there is none.
  Result<std::vector<std::string>> gpus();

 private:
  Session& session_;
};

/// On all other ranks: runs what the leader runs, until it ends. Errors: those of the session.
Status follow(Session& session);

}  // namespace p2plab
