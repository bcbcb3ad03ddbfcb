// SPDX-License-Identifier: Apache-2.0
#include "processes/session.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include <fmt/format.h>

#include "processes/results.h"
#include "processes/silence.h"
#include "processes/tcp.h"

namespace p2plab {

Status Session::barrier() {
  auto all = all_gather({});
  if (!all) return std::move(all).error();
  return {};
}

namespace processes {

SocketSession::SocketSession(FileDescriptor socket, Place place) : socket_(std::move(socket)), place_(std::move(place)) {
  auto hello = message(MessageKind::hello);
  hello.text = place_.greeting;
  say(hello);
  reader_ = std::thread([this] { listen(); });
}

SocketSession::~SocketSession() {
  shutdown(socket_.get(), SHUT_RDWR);
  reader_.join();
}

void SocketSession::say(const Message& message) {
  const std::lock_guard lock(saying_);
  send(socket_.get(), message);
}

Message SocketSession::message(MessageKind kind) const { return {.kind = kind, .version = place_.version, .rank = place_.rank}; }

// The server asks several times a second, and is answered from this thread, whatever the rank does.
bool SocketSession::hears_in_time() const {
  if (place_.silence == Seconds{0}) return true;
  Silence silence(place_.silence);
  pollfd readable{socket_.get(), POLLIN, 0};
  while (poll(&readable, 1, Silence::look_every.count()) <= 0) {
    if (silence.look()) return false;
  }
  return true;
}

void SocketSession::listen() {
  while (true) {
    if (!hears_in_time())
      return lose({ErrorCode::device_failure,
                   fmt::format("nothing was heard of {} for {:g} s: it, or its machine, stands still", place_.server, place_.silence.count())});
    auto heard = receive(socket_.get());
    if (!heard) break;
    if (heard->kind == MessageKind::alive) {
      if (heard->rank != place_.rank) continue;
      // Not while another thread sends: what that sends is an answer, too, and this thread goes on reading.
      if (const std::unique_lock lock(saying_, std::try_to_lock); lock) send(socket_.get(), message(MessageKind::alive));
    } else if (heard->kind == MessageKind::lost) {
      lose(Error{ErrorCode::device_failure, heard->text});
    } else if (heard->kind == MessageKind::part) {
      const std::lock_guard lock(mutex_);
      const auto number = heard->number;
      const auto from = heard->rank;
      auto& parts = arrived_[number];
      parts.insert_or_assign(from, *std::move(heard));
      if (parts.size() == static_cast<std::size_t>(place_.ranks)) changed_.notify_all();
    }
  }
  lose(Error{ErrorCode::device_failure, place_.server + " is gone"});
}

void SocketSession::lose(Error why) {
  {
    const std::lock_guard lock(mutex_);
    if (lost_) return;
    lost_ = std::move(why);
  }
  changed_.notify_all();
  const std::lock_guard calling(calling_);
  for (const auto& [number, listener] : listeners_) listener();
}

Result<SocketSession::Parts> SocketSession::exchange(Message mine) {
  mine.number = next_++;
  if (mine.text.size() > longest_text) {
    return Error{ErrorCode::unsupported, fmt::format("{} bytes are too many for one message between processes", mine.text.size())};
  }
  if (auto good = state(); !good) return std::move(good).error();
  say(mine);
  std::unique_lock lock(mutex_);
  // The launcher sees who is late; this limit is for a launcher that does not.
  const auto complete = [&] { return lost_ || arrived_[mine.number].size() == static_cast<std::size_t>(place_.ranks); };
  if (!changed_.wait_for(lock, 2 * place_.timeout, complete)) return Error{ErrorCode::device_failure, "the launcher of this job does not answer"};
  auto parts = std::move(arrived_[mine.number]);
  arrived_.erase(mine.number);
  if (parts.size() < static_cast<std::size_t>(place_.ranks)) return *lost_;
  return parts;
}

Result<std::vector<std::string>> SocketSession::all_gather(const std::string& mine) {
  auto out = message(MessageKind::contribute);
  out.text = mine;
  auto parts = exchange(std::move(out));
  if (!parts) return std::move(parts).error();
  std::vector<std::string> texts;
  for (auto& [rank, part] : *parts) texts.push_back(std::move(part.text));
  return texts;
}

// What one cannot open, none goes on with; and none closes its own before all have opened it.
Result<std::vector<FileDescriptor>> SocketSession::share_by_name(int mine) {
  const auto names = all_gather(name_of_file(mine));
  if (!names) return names.error();
  std::vector<FileDescriptor> files;
  Status opened;
  for (const auto& name : *names) {
    auto file = open_file(name);
    if (!file && opened) opened = file.error();
    if (file) files.push_back(*std::move(file));
  }
  if (auto well = all_well(*this, opened); !well) return std::move(well).error();
  return files;
}

Result<std::vector<FileDescriptor>> SocketSession::share(int mine) {
  if (place_.files_by_name) return share_by_name(mine);
  auto out = message(MessageKind::contribute);
  out.file = FileDescriptor{fcntl(mine, F_DUPFD_CLOEXEC, 0)};
  if (out.file.get() < 0) return Error{ErrorCode::io, "cannot duplicate a file for the other processes"};
  auto parts = exchange(std::move(out));
  if (!parts) return std::move(parts).error();
  std::vector<FileDescriptor> files;
  for (auto& [rank, part] : *parts) {
    if (part.file.get() < 0) return Error{ErrorCode::device_failure, fmt::format("no file came from rank {}", rank)};
    files.push_back(std::move(part.file));
  }
  return files;
}

std::string SocketSession::address() const {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  std::array<char, NI_MAXHOST> text{};
  auto* const name = reinterpret_cast<sockaddr*>(&at);
  const bool tcp = getsockname(socket_.get(), name, &size) == 0 && at.ss_family != AF_UNIX;
  if (!tcp || getnameinfo(name, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) return Session::address();
  return text.data();
}

Status SocketSession::state() const {
  const std::lock_guard lock(mutex_);
  if (lost_) return *lost_;
  return {};
}

std::shared_ptr<void> SocketSession::on_loss(std::function<void()> listener) {
  const std::lock_guard calling(calling_);
  if (!state()) listener();
  const auto number = next_listener_++;
  listeners_.emplace(number, std::move(listener));
  return {this, [this, number](void*) {
            const std::lock_guard going(calling_);
            listeners_.erase(number);
          }};
}

void SocketSession::abandon(const std::string& why) {
  const Error error{ErrorCode::device_failure, why};
  lose(error);
  farewell(error);
}

void SocketSession::farewell(const Status& outcome) {
  auto out = message(MessageKind::farewell);
  out.text = outcome_text(outcome);
  say(out);
}

}  // namespace processes
}  // namespace p2plab
