// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/timed_call.h"

#include "rows/epilogue_link.h"
#include "runtime/device_calls.h"

namespace p2plab::cuda {

Result<TimedCall> TimedCall::create(const Job& job, const RunOptions& options, const Buffers& buffers, const std::vector<int>& devices,
                                    SpecialKernels& kernels, DeviceSet& device_set) {
  TimedCall call(*job.program);
  const auto& epilogue = job.program->epilogue;
  auto moved = job;
  call.addresses_ = buffers.addresses();
  if (epilogue) {
    auto rows = RowsMemory::create(*epilogue, job.program->payload, devices, buffers);
    if (!rows) return std::move(rows).error();
    call.addresses_ = rows->addresses();
    call.rows_.emplace(*std::move(rows));
    if (options.rows_apart) {
      auto plain = std::make_unique<Program>(*job.program);
      plain->epilogue = nullptr;
      call.plain_ = std::move(plain);
      moved.program = call.plain_.get();
    }
  }
  // Staged with an epilogue, as libp2plab's calls are.
  const auto used = epilogue ? RunBuffers{.use = BufferUse::staged} : run_buffers(options, call.addresses_);
  auto run = GpuRun::create(moved, used, options.shape, kernels, device_set);
  if (!run) return std::move(run).error();
  call.run_ = *std::move(run);
  return call;
}

Status TimedCall::enqueue(Rank rank, const Stream& stream) const {
  const auto& mine = addresses_[rank.index()];
  if (auto done = run_->call(rank, mine, stream.get()); !done || !plain_) return done;
  const auto rows = link_epilogue(*program_->epilogue, program_->payload, mine.output, mine.epilogue);
  if (!rows) return rows.error();
  return runtime::device::rows(program_->payload.type, *rows, 0, stream.get());
}

std::vector<std::string> TimedCall::notes() const {
  std::vector<std::string> notes{run_->describe()};
  if (plain_) notes.emplace_back("rows as a kernel of their own");
  if (program_->epilogue) notes.emplace_back(is_compared() ? "sums were compared, what follows them was not" : "nothing was compared");
  return notes;
}

}  // namespace p2plab::cuda
