// SPDX-License-Identifier: Apache-2.0
// How processes that were started by others meet as the ranks of one job, on one machine or, over TCP, on several.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
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
  /// Rank 0 listens at a TCP address of its machine, "127.0.0.1:29500"; for ranks on several machines, in network namespaces of their own, or that
  /// know no more than the address. Whoever connects must show what follows from the secret, of 16 characters at least, before anything else is read;
  /// if it is empty, whoever reaches the address can take a rank's place. Nothing is encrypted. Errors: invalid_input.
  static Result<Invitation> at(const std::string& address, const std::string& secret = {});
  /// At a Unix socket of this machine, whose name has these 32 hexadecimal digits.
  static Invitation in_this_machine(const std::string& word) { return Invitation("p2plab/" + word); }
  /// Errors: invalid_input, if this is no invitation, or one of another machine (unless over TCP) or another version.
  static Result<Invitation> from_bytes(const std::array<char, size>& bytes);
  std::array<char, size> bytes() const;

  /// Where rank 0 listens: the name of a Unix socket, or "tcp/" and an address.
  const std::string& place() const { return place_; }
  bool over_tcp() const { return place_.starts_with("tcp/"); }
  /// What must be shown there, as 32 hexadecimal digits; empty: nothing.
  const std::string& token() const { return token_; }
  /// A sentence for the user where strangers could join: at an address that other machines reach, without a secret; else empty.
  std::string warning() const;

 private:
  explicit Invitation(std::string place, std::string token = {}) : place_(std::move(place)), token_(std::move(token)) {}
  std::string place_;
  std::string token_;
};

/// Where torchrun says that its ranks meet, "node1:29500": MASTER_ADDR and MASTER_PORT, but the port after it where torchrun's own store listens at
/// that one (TORCHELASTIC_USE_AGENT_STORE); empty if it says nothing. `variable`: what the environment says, empty for nothing.
std::string address_of_torchrun(const std::function<std::string(const std::string&)>& variable);

/// What P2PLAB_SECRET says; else nothing.
std::string secret_of_environment();

/// For ranks that can exchange bytes before they meet. Each makes one, all get those of all, and all follow from them where to meet: at a Unix
/// socket where they are of one machine and one network namespace; else at a TCP port that rank 0 has opened, with a secret of 128 random bits.
class MeetingOffer {
 public:
  /// Errors: io (no random numbers, no port), invalid_input (P2PLAB_INTERFACE, which names the network of rank 0 that all reach).
  static Result<MeetingOffer> make(int rank);
  std::array<char, Invitation::size> bytes() const;
  /// Errors: invalid_input, naming the rank whose bytes are none of an offer; io: of several machines, and rank 0 has no network.
  static Result<Invitation> settle(std::span<const std::array<char, Invitation::size>> all);
  /// Of rank 0; `join` may need it.
  FileDescriptor take_listener() { return std::move(listener_); }

 private:
  std::string place_;
  std::string word_;
  std::string address_ = "-";
  FileDescriptor listener_;
};

struct JoinOptions {
  int rank = 0;
  int ranks = 1;
  Seconds gathering{60};  // how long to wait for all ranks to come
  Seconds timeout{60};    // how long a rank may keep the others waiting later
  Seconds silence{0};     // how long a process may stand still (stopped, its machine gone) before it is lost; 0: what P2PLAB_SILENCE says, else 10
  bool several_machines = false;  // over TCP: ranks may live on other machines; open files are shared on one machine only
  int version = 0;                // tests: what this rank says its version of the protocol is; 0: the true one
  std::string machine{};          // tests: what this rank says its machine is; empty: the true one
};

/// The most ranks of one job.
inline constexpr int most_joined = 1024;

/// Takes this process's place in the job; returns when all ranks have. Rank 0 may bring a socket that listens at the place. Rank 0 serves the job
/// from a thread of its own until all have left or it ends. Errors: invalid_input (a rank out of range), unsupported (ranks that mean another number
/// of ranks, another version, or a rank that is there twice), device_failure (a rank that did not come in time, or is gone): the same sentence on all
/// ranks, naming the rank.
Result<std::unique_ptr<Session>> join(const Invitation& invitation, const JoinOptions& options, FileDescriptor listener = FileDescriptor{});

/// Tells the others that this rank gives up, and why; what waits in the session ends.
void abandon(Session& session, const std::string& why);

}  // namespace p2plab
