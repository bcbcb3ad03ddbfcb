// SPDX-License-Identifier: Apache-2.0
// How processes that were started by others meet as the ranks of one job, on one machine or, over TCP, on several.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "p2plab/run/processes.h"

namespace p2plab {

/// Where ranks meet. One process makes it and hands it to the others as plain bytes, by whatever they share: a file, a store, a message.
class Invitation {
 public:
  static constexpr std::size_t size = 128;
  /// A place that nobody else has. Errors: io.
  static Result<Invitation> make();
  /// The same place for all who give the same text; for ranks that share a secret but cannot talk.
  static Invitation named(const std::string& text);
  /// Rank 0 listens at a TCP address of its machine, "127.0.0.1:29500"; for ranks in network namespaces of their own, or that know no more than the
  /// address. Whoever reaches it can take a rank's place. Errors: invalid_input.
  static Result<Invitation> at(const std::string& address);
  /// Errors: invalid_input, if this is no invitation, or one of another machine or another version.
  static Result<Invitation> from_bytes(const std::array<char, size>& bytes);
  std::array<char, size> bytes() const;

  /// Where rank 0 listens: the name of a Unix socket, or "tcp/" and an address.
  const std::string& place() const { return place_; }
  bool over_tcp() const { return place_.starts_with("tcp/"); }

 private:
  explicit Invitation(std::string place) : place_(std::move(place)) {}
  std::string place_;
};

struct JoinOptions {
  int rank = 0;
  int ranks = 1;
  Seconds gathering{60};          // how long to wait for all ranks to come
  Seconds timeout{60};            // how long a rank may keep the others waiting later
  bool several_machines = false;  // over TCP: ranks may live on other machines; open files are shared on one machine only
  int version = 0;                // tests: what this rank says its version of the protocol is; 0: the true one
  std::string machine{};          // tests: what this rank says its machine is; empty: the true one
};

/// Takes this process's place in the job; returns when all ranks have. Rank 0 serves the job from a thread of its own until all have left or it ends.
/// Errors: invalid_input (a rank out of range), unsupported (ranks that mean another number of ranks, another version, or a rank that is there
/// twice), device_failure (a rank that did not come in time, or is gone): the same sentence on all ranks, naming the rank.
Result<std::unique_ptr<Session>> join(const Invitation& invitation, const JoinOptions& options);

/// Tells the others that this rank gives up, and why; what waits in the session ends.
void abandon(Session& session, const std::string& why);

}  // namespace p2plab
