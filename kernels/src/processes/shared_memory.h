// SPDX-License-Identifier: Apache-2.0
// Memory that processes share: a file without a name, and its place in this process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "p2plab/base/units.h"
#include "p2plab/run/processes.h"

namespace p2plab::processes {

/// A file of zeros in memory. Errors: io.
inline Result<FileDescriptor> make_shared_file(Bytes size) {
  FileDescriptor file{memfd_create("p2plab", MFD_CLOEXEC)};
  if (file.get() < 0 || ftruncate(file.get(), size.count()) != 0) {
    return Error{ErrorCode::io, std::string{"cannot make memory that processes share: "} + std::strerror(errno)};
  }
  return file;
}

/// A whole shared file, mapped; unmapped with its owner.
class Mapping {
 public:
  static Result<Mapping> map(int file, Bytes size) {
    auto* const memory = mmap(nullptr, static_cast<std::size_t>(size.count()), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return Error{ErrorCode::io, std::string{"cannot map memory that processes share: "} + std::strerror(errno)};
    return Mapping{static_cast<std::byte*>(memory), static_cast<std::size_t>(size.count())};
  }
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (bytes_.data() != nullptr) munmap(bytes_.data(), bytes_.size());
  }
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  Mapping(std::byte* memory, std::size_t size) : bytes_(memory, size) {}
  std::span<std::byte> bytes_;
};

}  // namespace p2plab::processes
