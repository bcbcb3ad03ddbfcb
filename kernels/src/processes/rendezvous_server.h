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
#include "processes/token.h"

namespace p2plab::processes {

/// A socket that listens at a place: a Unix socket under a name of this machine's, or "tcp/" and an address. Errors: io.
Result<FileDescriptor> listen_at(const std::string& place);
/// A connection to it, trying until `timeout` has passed; over TCP the token is shown there. Errors: device_failure.
Result<FileDescriptor> connect_to(const std::string& place, const Token& token, Seconds timeout);
/// The address in a place that is one of TCP.
std::optional<std::string> tcp_address(const std::string& place);

/// The machine as it runs now: two that were copied from each other differ, and so does one that was started again.
std::string machine_here();
/// The server that this process is of: its machine, and what NCCL_HOSTID says, by which NCCL tells servers apart, too.
std::string server_here();
/// What a rank says of the job when it comes: "3 ranks", the process and the machine that it is in.
std::string greeting(int ranks, const std::string& machine);

class RendezvousServer {
 public:
  struct Terms {
    bool tcp = false;  // the listener is one of TCP, where nothing is known of who connects but what they say
    Token token{};     // what they must show there before they may say anything
    bool several_machines = false;
    int ranks = 1;
    Seconds silence{10};  // how long a rank's process may say nothing at all
  };
  RendezvousServer(FileDescriptor listener, const Terms& terms, Seconds gathering, Seconds timeout);
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
    ShownToken shown = {};
    bool admitted = false;  // may say who they are
  };

  void serve();
  bool all_here() const;
  void look();
  void tell_that_it_lives();
  void admit();
  bool is_admitted(Stranger& stranger);
  void hear(Stranger& stranger);
  std::string place(Member member, const Message& hello);
  std::vector<pollfd> waiting() const;
  std::string missing() const;
  void turn_away();

  FileDescriptor listener_;
  Terms terms_;
  int ranks_;
  Seconds gathering_;
  Seconds timeout_;
  std::vector<std::optional<Member>> members_;
  std::vector<Stranger> strangers_;
  std::set<int> came_;
  std::chrono::steady_clock::time_point told_;
  int refused_ = 0;  // who showed another token
  std::string refusal_;
  std::thread thread_;
};

}  // namespace p2plab::processes
