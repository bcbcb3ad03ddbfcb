// SPDX-License-Identifier: Apache-2.0
// Buffers made known to NCCL before it runs: plain registration, or symmetric windows, which its symmetric kernels need.
#pragma once

#include <vector>

#include "cuda/memory/buffers.h"
#include "cuda/nccl/nccl_library.h"
#include "p2plab/program/executor.h"

namespace p2plab::cuda {

/// Can this library do it? unsupported, with its version and the one needed, if not.
Status check_registration(const NcclLibrary& nccl, Registration registration);

/// Memory that NCCL can register, of the current device; the library must outlive it.
Allocator nccl_allocator(const NcclLibrary& nccl);

/// All pieces of some buffers, registered with each rank's communicator as long as this lives.
class NcclRegistration {
 public:
  /// Errors: device_failure with NCCL's sentence.
  static Result<NcclRegistration> create(const NcclLibrary& nccl, const std::vector<NcclCommunicator>& communicators, const Buffers& buffers,
                                         Registration registration);
  NcclRegistration(NcclRegistration&& other) noexcept
      : nccl_(other.nccl_), registration_(other.registration_), handles_(std::exchange(other.handles_, {})) {}
  NcclRegistration(const NcclRegistration&) = delete;
  NcclRegistration& operator=(const NcclRegistration&) = delete;
  NcclRegistration& operator=(NcclRegistration&&) = delete;
  ~NcclRegistration();

 private:
  struct Handle {
    NcclCommunicator communicator;
    void* value;
  };
  NcclRegistration(const NcclLibrary& nccl, Registration registration) : nccl_(&nccl), registration_(registration) {}

  const NcclLibrary* nccl_;
  Registration registration_;
  std::vector<Handle> handles_;
};

}  // namespace p2plab::cuda
