// SPDX-License-Identifier: Apache-2.0
// Messages between servers over TCP, from host memory to host memory.
#pragma once

#include <atomic>
#include <map>
#include <memory>

#include "p2plab/run/processes.h"
#include "stages/tcp_stream.h"
#include "stages/transport.h"

namespace p2plab::stages {

class TcpTransport final : public Transport {
 public:
  /// `session`, of all ranks, and `stop` must outlive it. A group in which nothing moves for `deadline` is an error.
  TcpTransport(Session& session, const std::atomic<bool>& stop, Seconds deadline) : session_(session), stop_(stop), deadline_(deadline) {}

  /// Makes the connections to these peers that are not there yet; all ranks of the session call it together, and each names those who name it.
  Status connect(const std::vector<Rank>& peers);
  Status exchange(std::span<const Transfer> sends, std::span<const Transfer> receives, void* stream) override;

 private:
  Status connect_missing(const std::vector<Rank>& missing);
  Status accept_from(int listener, std::size_t awaited, const std::string& token);
  Status move_all();
  Error late() const;

  Session& session_;
  const std::atomic<bool>& stop_;
  Seconds deadline_;
  std::map<Rank, TcpStream> streams_;
  std::uint64_t group_ = 0;
};

}  // namespace p2plab::stages
