// SPDX-License-Identifier: Apache-2.0
// One connection between two ranks, and what of a group is still to go over it.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "p2plab/run/processes.h"

namespace p2plab::stages {

/// Stands before each group's bytes, so that ranks that have lost step notice. Groups are counted in each direction of a connection.
struct GroupHeader {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const GroupHeader&, const GroupHeader&) = default;
};

/// Stretches of memory that are sent or filled one after another.
class Pending {
 public:
  void clear() { parts_.clear(), next_ = 0; }
  void add(void* memory, std::size_t bytes) {
    if (bytes > 0) parts_.push_back({memory, bytes});
  }
  bool done() const { return next_ == parts_.size(); }
  std::span<iovec> parts() { return std::span(parts_).subspan(next_); }
  /// So many bytes have gone.
  void advance(std::size_t bytes);

 private:
  std::vector<iovec> parts_;
  std::size_t next_ = 0;
};

class TcpStream {
 public:
  explicit TcpStream(FileDescriptor socket) : socket_(std::move(socket)) {}
  int socket() const { return socket_.get(); }

  /// Begins a group: what follows by `send` and `receive` belongs to it.
  void begin();
  void send(void* memory, std::size_t bytes);
  void receive(void* memory, std::size_t bytes);
  /// All of the group is known.
  void ready();

  bool sends() const { return !out_.done(); }
  bool receives() const { return !in_.done(); }
  /// Moves what can be moved now without waiting. Did anything move? Errors: device_failure, a phrase about the other end: "has closed its
  /// connection".
  Result<bool> move();

 private:
  Result<bool> move_out();
  Result<bool> move_in();

  FileDescriptor socket_;
  GroupHeader sent_;
  GroupHeader expected_;
  GroupHeader came_;
  bool header_seen_ = false;
  Pending out_;
  Pending in_;
};

}  // namespace p2plab::stages
