// SPDX-License-Identifier: Apache-2.0
// Where ranks exchange bytes before they meet, if all they share is a few bytes that one process gave out: that process keeps the place open.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "processes/tcp.h"

namespace p2plab::processes {

/// A TCP address and what must be shown there; as bytes short enough to travel in an id of NCCL's.
struct PlaceToMeet {
  static constexpr std::size_t size = 40;
  TcpAddress address;
  Token token{};

  std::array<char, size> bytes() const;
  /// None if the bytes are no place.
  static std::optional<PlaceToMeet> from(std::span<const char, size> bytes);
};

/// What each rank gives to all.
inline constexpr std::size_t most_exchanged = 256;

/// Serves exchanges, each by its name, in a thread of its own.
class MeetingPlace {
 public:
  /// Of this process: opened when first asked for, on the network that P2PLAB_INTERFACE names or that other machines reach; open until the process
  /// ends. Errors: io, invalid_input.
  static Result<PlaceToMeet> of_process();

  MeetingPlace(FileDescriptor listener, const Token& token);
  ~MeetingPlace();
  MeetingPlace(const MeetingPlace&) = delete;
  MeetingPlace& operator=(const MeetingPlace&) = delete;
  MeetingPlace(MeetingPlace&&) = delete;
  MeetingPlace& operator=(MeetingPlace&&) = delete;

 private:
  struct Said {
    std::array<char, token_size> name;
    std::int32_t rank;
    std::int32_t ranks;
    std::array<char, most_exchanged> bytes;
  };
  struct Visitor {
    FileDescriptor socket;
    std::chrono::steady_clock::time_point came;
    ShownToken shown = {};
    bool admitted = false;
    std::size_t heard = 0;  // bytes of `said`
    Said said = {};
    bool counted = false;  // looked at whether all of its exchange are here
  };
  void serve();
  bool goes_on(Visitor& visitor) const;
  static bool hear(Visitor& visitor);
  void answer(const Visitor& last);

  FileDescriptor listener_;
  Token token_;
  std::vector<Visitor> visitors_;
  FileDescriptor ended_;  // readable when the place is to close
  std::thread thread_;
};

/// Gives `mine` to all ranks that name the same exchange at the place; what all gave, by rank. Errors: device_failure, if the place is not there or
/// not all have come within the time.
Result<std::vector<std::string>> exchange_at(const PlaceToMeet& place, const std::string& name, int rank, int ranks, const std::string& mine,
                                             Seconds timeout);

}  // namespace p2plab::processes
