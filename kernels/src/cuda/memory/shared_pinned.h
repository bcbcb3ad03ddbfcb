// SPDX-License-Identifier: Apache-2.0
// Pinned host memory that several processes see, each at an address of its own.
#pragma once

#include <cstdint>
#include <optional>

#include "p2plab/base/result.h"
#include "processes/shared_memory.h"

namespace p2plab::cuda {

class SharedPinned {
 public:
  SharedPinned() = default;
  static Result<SharedPinned> map(int file, Bytes size);
  SharedPinned(SharedPinned&& other) noexcept : mapping_(std::exchange(other.mapping_, std::nullopt)) {}
  SharedPinned& operator=(SharedPinned&& other) noexcept {
    std::swap(mapping_, other.mapping_);
    return *this;
  }
  SharedPinned(const SharedPinned&) = delete;
  SharedPinned& operator=(const SharedPinned&) = delete;
  ~SharedPinned();
  std::uint64_t address() const { return mapping_ ? reinterpret_cast<std::uint64_t>(mapping_->bytes().data()) : 0; }

 private:
  std::optional<processes::Mapping> mapping_;
};

}  // namespace p2plab::cuda
