// SPDX-License-Identifier: Apache-2.0
// cuda, over servers: segments by our kernels, messages by NCCL's sends and receives on the same stream; and NCCL's own collective beside it.
#pragma once

#include <memory>
#include <optional>

#include "cuda/rank_measure.h"
#include "cuda/stages/call_limit.h"
#include "network/carriers.h"
#include "p2plab/segments/servers.h"

namespace p2plab::runtime {
class StageRuns;
}

namespace p2plab::cuda {

class CudaStages {
 public:
  /// `session` is of all ranks and must outlive it.
  explicit CudaStages(Session& session) : session_(session) {}
  /// All ranks call these together. Errors: those of Executor::run.
  Result<Measurement> run(const Job& job, const RunOptions& options);
  /// The same collective by NCCL alone, between the same ranks over the same transport.
  Result<Measurement> run_nccl(const Job& job, const RunOptions& options);

 private:
  Status meet();
  Status join(const Servers& servers);
  Status call(const runtime::StageRuns& runs, const Stream& stream) const;
  Result<Measurement> measure(const Job& job, const RunOptions& options, const char* name, const Enqueue& enqueue_with,
                              const std::function<Status()>& hang);

  Session& session_;
  std::optional<int> device_;  // once all have met
  int sharers_ = 1;            // ranks of this machine for each of its GPUs
  std::unique_ptr<Session> server_session_;
  std::optional<Servers> servers_;
  std::optional<Communicator> communicator_;  // of the server's ranks
  std::unique_ptr<runtime::NcclCalls> nccl_;
  std::unique_ptr<runtime::Carriers> carriers_;
  const DeviceBuffers* own_ = nullptr;
};

}  // namespace p2plab::cuda
