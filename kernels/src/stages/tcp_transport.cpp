// SPDX-License-Identifier: Apache-2.0
#include "stages/tcp_transport.h"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "processes/results.h"
#include "stages/tcp_connect.h"

namespace p2plab::stages {

namespace {

using Clock = std::chrono::steady_clock;
constexpr int glance = 20;  // milliseconds between looks at whether to stop

Clock::time_point after(Seconds time) { return Clock::now() + std::chrono::duration_cast<Clock::duration>(time); }

}  // namespace

Status TcpTransport::connect(const std::vector<Rank>& peers) {
  std::vector<Rank> missing;
  for (const auto peer : peers) {
    if (!streams_.contains(peer)) missing.push_back(peer);
  }
  return processes::all_well(session_, connect_missing(missing));
}

// The lower rank of a pair listens. Who connects shows what only ranks of this session have heard.
Status TcpTransport::connect_missing(const std::vector<Rank>& missing) {
  const Rank self{session_.rank()};
  auto listener = Listener::open(session_.address());
  const auto places = session_.all_gather(listener ? listener->place() : std::string{});
  if (!places) return places.error();
  if (!listener) return std::move(listener).error();
  std::size_t awaited = 0;
  for (const auto peer : missing) {
    if (self < peer) {
      ++awaited;
      continue;
    }
    auto socket = connect_to(self, peer, (*places)[peer.index()], deadline_);
    if (!socket) return std::move(socket).error();
    streams_.emplace(peer, TcpStream(*std::move(socket)));
  }
  for (const auto until = after(deadline_ + Seconds{5}); awaited > 0;) {
    if (stop_.load()) return Error{ErrorCode::interrupted, "told to stop"};
    if (Clock::now() > until) return Error{ErrorCode::device_failure, fmt::format("{} ranks have not connected to this one", awaited)};
    auto came = listener->accept(glance);
    if (!came || !std::ranges::count(missing, came->rank) || streams_.contains(came->rank)) continue;
    streams_.emplace(came->rank, TcpStream(std::move(came->socket)));
    --awaited;
  }
  return {};
}

Status TcpTransport::exchange(std::span<const Transfer> sends, std::span<const Transfer> receives, void* /*stream*/) {
  ++group_;
  for (auto& [peer, stream] : streams_) stream.begin();
  for (const auto& send : sends) streams_.at(send.peer).send(send.memory, static_cast<std::size_t>(send.bytes));
  for (const auto& receive : receives) streams_.at(receive.peer).receive(receive.memory, static_cast<std::size_t>(receive.bytes));
  for (auto& [peer, stream] : streams_) stream.ready();
  return move_all();
}

Status TcpTransport::move_all() {
  auto until = after(deadline_);
  while (true) {
    std::vector<pollfd> open;
    bool moved = false;
    for (auto& [peer, stream] : streams_) {
      const auto some = stream.move();
      if (!some) return Error{ErrorCode::device_failure, fmt::format("group {}: rank {} {}", group_, peer.value, some.error().message)};
      moved = moved || *some;
      const int events = (stream.sends() ? POLLOUT : 0) | (stream.receives() ? POLLIN : 0);
      if (events != 0) open.push_back({stream.socket(), static_cast<short>(events), 0});
    }
    if (open.empty()) return {};
    if (stop_.load()) return Error{ErrorCode::interrupted, "told to stop"};
    if (moved) {
      until = after(deadline_);
      continue;
    }
    if (Clock::now() > until) return late();
    poll(open.data(), open.size(), glance);
  }
}

Error TcpTransport::late() const {
  for (const auto& [peer, stream] : streams_) {
    if (!stream.sends() && !stream.receives()) continue;
    return Error{ErrorCode::device_failure, fmt::format("group {}: rank {} {} nothing for {:g} s", group_, peer.value,
                                                        stream.receives() ? "has sent" : "has taken", deadline_.count())};
  }
  return Error{ErrorCode::device_failure, "nothing moves"};
}

}  // namespace p2plab::stages
