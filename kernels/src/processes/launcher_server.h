// SPDX-License-Identifier: Apache-2.0
// The launcher's side of a job: passes parts of exchanges on, and tells all when a rank is gone.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "processes/message.h"
#include "processes/silence.h"

namespace p2plab::processes {

/// A rank as its launcher knows it.
struct Member {
  int process = 0;
  bool ours = true;  // its launcher started the process, and may end it and ask how it ended
  bool here = true;  // `process` is a number of this machine's
  FileDescriptor socket = {};
  bool greeted = false;
  bool left = false;                             // said farewell, or its process is gone
  int looks_stopped = 0;                         // how often in a row its process was found stopped
  Silence silence{Seconds{0}};                   // of one that is not ours
  std::optional<Status> outcome = std::nullopt;  // what it said, or how it ended
};

class Hub {
 public:
  /// `silence`: how long the process of a member that is not ours may say nothing.
  Hub(std::vector<Member> members, Seconds timeout, Seconds silence = Seconds{10});

  /// Serves until all ranks have left; what each said, or how it ended.
  std::vector<Status> serve();

 private:
  using Clock = std::chrono::steady_clock;
  struct Exchange {
    Clock::time_point begun = Clock::now();
    std::map<int, Message> parts = {};
  };

  bool anyone() const;
  void listen();
  void hear(int rank);
  void contribute(int rank, Message message);
  void leave(int rank, Status outcome);
  void lose(int rank, const std::string& why);
  void look_for_late();
  void look_for_stopped();
  void look_for_silent();
  static void give_up(Member& member, const std::string& why);
  Status ended(int rank) const;
  std::string stopped(int rank) const;

  std::vector<Member> members_;
  Seconds timeout_;
  Seconds silence_;
  int looks_ = 0;
  std::map<std::uint32_t, Exchange> exchanges_;
  bool lost_ = false;
  Clock::time_point lost_at_ = {};
  Clock::time_point looked_at_ = {};
};

}  // namespace p2plab::processes
