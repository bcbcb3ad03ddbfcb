// The ranks of a run that live in other processes: their GPU memory through CUDA's handles, host memory that all share.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "cuda/api.h"
#include "p2plab/processes.h"
#include "packet_image.h"
#include "processes/shared_memory.h"

namespace p2plab::cuda {

/// Pinned host memory that several processes see, each at an address of its own.
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

/// GPU memory that other processes may open: of whole pages, so that nothing else lies beside it.
Result<DeviceMemory> allocate_shareable(Bytes size);

class World {
 public:
  /// This process is rank session.rank() on GPU `device`. All ranks call it together. Errors: those of the session, io, device_failure.
  static Result<World> create(Session& session, int device);
  World(World&&) noexcept = default;
  World& operator=(World&&) = delete;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  Rank rank() const { return Rank{session_->rank()}; }
  int ranks() const { return session_->ranks(); }
  Session& session() const { return *session_; }

  /// Words that all processes and GPUs see: one report a rank of 64 bytes, the abort word, the gate.
  std::uint64_t reports() const { return common_.address(); }
  std::uint64_t abort() const { return reports() + 64 * static_cast<std::uint64_t>(ranks()); }
  std::uint64_t gate() const { return abort() + 64; }

  /// Host memory of this rank, of `size` bytes, zeroed; the others get it by `exchange`. Called once.
  Result<std::uint64_t> own_host_memory(Bytes size);

  /// A piece of this rank's GPU memory, from `allocate_shareable`, that the others will touch.
  struct Piece {
    std::uint64_t address = 0;
    Bytes size{0};
  };
  /// Gives this rank's addresses, all within `pieces` or its host memory, and gets everybody's, as they are here.
  Result<std::vector<RankAddresses>> exchange(const RankAddresses& mine, const std::vector<Piece>& pieces);

 private:
  World(Session& session, int device) : session_(&session), device_(device) {}
  Result<std::uint64_t> open(const std::string& handle);

  Session* session_;
  int device_;
  SharedPinned common_;
  FileDescriptor host_file_;
  SharedPinned host_;
  Bytes host_size_{0};
  std::vector<SharedPinned> other_hosts_;
  std::vector<void*> opened_;
};

}  // namespace p2plab::cuda
