// SPDX-License-Identifier: Apache-2.0
// The ranks of a communicator that were set up one by one: GPU memory of other processes through CUDA's handles, of this process (ranks that are its
// threads) as it is; host memory that all share.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/api.h"
#include "cuda/memory/shared_pinned.h"
#include "lowered/arena.h"
#include "lowered/linked_packets.h"
#include "p2plab/run/processes.h"

namespace p2plab::cuda {

/// Other processes' memory that is open here, closed with its owner.
class OpenedMemory {
 public:
  OpenedMemory() = default;
  OpenedMemory(OpenedMemory&& other) noexcept { std::swap(opened_, other.opened_); }
  OpenedMemory& operator=(OpenedMemory&& other) noexcept {
    std::swap(opened_, other.opened_);
    return *this;
  }
  OpenedMemory(const OpenedMemory&) = delete;
  OpenedMemory& operator=(const OpenedMemory&) = delete;
  ~OpenedMemory();

  /// The memory behind a handle (the bytes of a cudaIpcMemHandle_t). Errors: device_failure.
  Result<std::uint64_t> open(const void* handle);

 private:
  std::vector<void*> opened_;
};

class PeerMemory {
 public:
  /// This thread is rank session.rank(). All ranks call it together, with the GPU of each current. Errors: those of the session, io, device_failure.
  static Result<std::unique_ptr<PeerMemory>> create(Session& session);
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;
  ~PeerMemory() = default;

  Rank rank() const { return Rank{session_.rank()}; }
  int ranks() const { return session_.ranks(); }
  Session& session() const { return session_; }
  /// A word that all processes and GPUs see: kernels that wait for it start together.
  std::uint64_t gate() const { return common_.address(); }

  /// GPU memory that other processes may open, of whole pages, so that nothing else lies beside it.
  static Result<Extent> make_extent(Bytes size);
  /// Host memory that other processes may open, zeroed.
  Result<Extent> make_host_extent(Bytes size);

  /// From now on the word at `abort` is set when a rank is gone, and at once if one is; until `forget`.
  void watch(std::uint64_t abort);
  void forget(std::uint64_t abort);

  /// What a rank gives the others of one program.
  struct MemoryOffer {
    RankAddresses addresses;              // all within the two arenas or `registered`
    std::span<const Extent> memory = {};  // of its arenas; those that were given before stay open
    std::span<const Extent> host_memory = {};
    std::vector<std::uint64_t> registered = {};  // addresses in memory that is the caller's
  };
  struct Received {
    std::vector<RankAddresses> addresses;  // by rank, as they are here; null where nothing was given
    OpenedMemory registered;
  };
  /// All ranks call it together. Errors: those of the session; unsupported, on all ranks, where one cannot give or open memory.
  Result<Received> exchange(const MemoryOffer& mine);

 private:
  // Where memory of another process lies there, and where here.
  struct Moved {
    std::uint64_t there = 0;
    std::uint64_t here = 0;
    std::uint64_t bytes = 0;
  };
  struct Reader;

  explicit PeerMemory(Session& session) : session_(session) {}
  Status write(const MemoryOffer& offer, std::string& text);
  Status open_hosts(const MemoryOffer& mine, std::vector<Reader>& readers);
  Result<std::vector<std::vector<Moved>>> open_pieces(std::vector<Reader>& readers, OpenedMemory& opened);
  void rank_is_gone();

  Session& session_;
  SharedPinned common_;
  FileDescriptor common_file_;
  std::vector<std::pair<std::uint64_t, FileDescriptor>> host_files_;  // of this rank's extents, by address
  std::size_t given_ = 0;                                             // extents that the others have
  std::size_t hosts_given_ = 0;
  std::vector<std::vector<Moved>> known_;      // by rank: extents that are open here
  std::vector<bool> here_;                     // by rank: whether it is of this process
  std::vector<std::shared_ptr<void>> owners_;  // of what those gave
  OpenedMemory extents_;
  std::vector<SharedPinned> other_hosts_;
  std::mutex mutex_;  // of what a lost rank changes
  std::vector<std::uint64_t> aborts_;
  bool lost_ = false;
  Status usable_;                            // an error once this peer_memory's own memory could not be opened everywhere
  std::shared_ptr<void> loss_subscription_;  // of lost ranks; the first to go
};

}  // namespace p2plab::cuda
