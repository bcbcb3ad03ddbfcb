// SPDX-License-Identifier: Apache-2.0
// How two ranks come by a connection of their own: one listens at its address, the other shows the word that it published among the ranks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/run/processes.h"

namespace p2plab::stages {

class Listener {
 public:
  /// At a free port of this address. Errors: io.
  static Result<Listener> open(const std::string& address);
  /// What others need to connect: address, port and a word that nobody guesses.
  std::string place() const;

  struct Caller {
    Rank rank;
    FileDescriptor socket;
  };
  /// One who connected, showed the word and said its rank; none if nobody did within so many milliseconds. Nobody is waited for: whoever is slow, or
  /// says something else, keeps no others.
  std::optional<Caller> accept(int milliseconds);

 private:
  // Of whom the beginning of a greeting has come.
  struct Stranger {
    FileDescriptor socket;
    std::string said = {};
  };
  void admit();
  std::optional<Caller> hear(Stranger& stranger) const;

  FileDescriptor socket_;
  std::string address_;
  int port_ = 0;
  std::string word_;
  std::vector<Stranger> strangers_;
};

/// A connection of rank `self` to rank `peer`, which published `place`. Errors: device_failure that names the peer.
Result<FileDescriptor> connect_to(Rank self, Rank peer, const std::string& place, Seconds timeout);

}  // namespace p2plab::stages
