// SPDX-License-Identifier: Apache-2.0
// Rank 0's side of a rendezvous: takes the others in, then serves them as a launcher would.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "processes/launcher_server.h"

namespace p2plab::processes {

/// A Unix socket that listens under a name of this machine's. Errors: io.
Result<FileDescriptor> listen_at(const std::string& name);
/// A connection to it, trying until `patience` has passed. Errors: device_failure.
Result<FileDescriptor> connect_to(const std::string& name, Seconds patience);

/// What a rank says of the job when it comes: "3 ranks".
std::string greeting(int ranks);

class RendezvousServer {
 public:
  RendezvousServer(FileDescriptor listener, int ranks, Seconds gathering, Seconds patience);
  /// Waits until everybody has left.
  ~RendezvousServer();
  RendezvousServer(const RendezvousServer&) = delete;
  RendezvousServer& operator=(const RendezvousServer&) = delete;
  RendezvousServer(RendezvousServer&&) = delete;
  RendezvousServer& operator=(RendezvousServer&&) = delete;

 private:
  struct Stranger {
    FileDescriptor socket;
    pid_t process = 0;
    std::chrono::steady_clock::time_point came;
  };

  void serve();
  bool all_here() const;
  void look();
  void admit();
  void hear(Stranger& stranger);
  void note_absence();
  std::string place(Member member, const Message& hello);
  std::vector<pollfd> waiting() const;
  std::string missing() const;
  void turn_away();

  FileDescriptor listener_;
  int ranks_;
  Seconds gathering_;
  Seconds patience_;
  std::vector<std::optional<Member>> members_;
  std::vector<Stranger> strangers_;
  std::set<int> came_;
  std::string refusal_;
  std::thread thread_;
};

}  // namespace p2plab::processes
