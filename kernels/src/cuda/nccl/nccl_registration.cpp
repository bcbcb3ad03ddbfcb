// SPDX-License-Identifier: Apache-2.0
#include "cuda/nccl/nccl_registration.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::cuda {

namespace {

constexpr int symmetric_window = 1;  // NCCL_WIN_COLL_SYMMETRIC

// Windows and registrations end at multiples of this.
constexpr std::int64_t granularity = 4096;

std::size_t registered_bytes(Bytes size) {
  return static_cast<std::size_t>((std::max<std::int64_t>(size.count(), 1) + granularity - 1) / granularity * granularity);
}

}  // namespace

Status check_registration(const NcclLibrary& nccl, Registration registration) {
  if (registration == Registration::none) return {};
  const bool symmetric = registration == Registration::symmetric;
  const bool allocates = nccl.memory_alloc != nullptr && nccl.memory_free != nullptr;
  const bool registers = symmetric ? nccl.register_window != nullptr && nccl.deregister_window != nullptr
                                   : nccl.register_buffer != nullptr && nccl.deregister_buffer != nullptr;
  if (allocates && registers) return {};
  return Error{.code = ErrorCode::unsupported,
               .message = fmt::format("NCCL {} cannot {}: that came with {}", nccl.version(),
                                      symmetric ? "register symmetric windows" : "register buffers", symmetric ? "2.27" : "2.19"),
               .notes = {"P2PLAB_NCCL names another library"}};
}

Allocator nccl_allocator(const NcclLibrary& nccl) {
  return [&nccl](Bytes size) -> Result<SharedMemory> {
    void* memory = nullptr;
    const auto bytes = registered_bytes(size);
    if (auto done = nccl.check(nccl.memory_alloc(&memory, bytes), fmt::format("allocate {} bytes that can be registered", bytes)); !done)
      return std::move(done).error();
    return SharedMemory(memory, [&nccl](void* gone) { nccl.memory_free(gone); });
  };
}

Result<NcclRegistration> NcclRegistration::create(const NcclLibrary& nccl, const std::vector<NcclCommunicator>& communicators, const Buffers& buffers,
                                                  Registration registration) {
  NcclRegistration made(nccl, registration);
  if (registration == Registration::none) return made;
  const auto pieces = buffers.pieces();
  const auto per_rank = pieces.size() / communicators.size();
  // A window is made by all ranks together: the first piece of every rank, then the second.
  for (std::size_t p = 0; p < per_rank; ++p) {
    const auto first = made.handles_.size();
    made.handles_.resize(first + communicators.size(), {nullptr, nullptr});
    int code = nccl.group_start();
    for (std::size_t r = 0; r < communicators.size() && code == 0; ++r) {
      const auto& piece = pieces[r * per_rank + p];
      auto& handle = made.handles_[first + r];
      handle.communicator = communicators[r];
      const auto bytes = registered_bytes(piece.size);
      code = registration == Registration::symmetric
                 ? nccl.register_window(communicators[r], piece.memory.get(), bytes, &handle.value, symmetric_window)
                 : nccl.register_buffer(communicators[r], piece.memory.get(), bytes, &handle.value);
    }
    const auto ended = nccl.group_end();
    if (auto done = nccl.check(code != 0 ? code : ended, "register buffers"); !done) return std::move(done).error();
  }
  return made;
}

NcclRegistration::~NcclRegistration() {
  for (const auto& handle : handles_) {
    if (handle.value == nullptr) continue;
    registration_ == Registration::symmetric ? nccl_->deregister_window(handle.communicator, handle.value)
                                             : nccl_->deregister_buffer(handle.communicator, handle.value);
  }
}

}  // namespace p2plab::cuda
