// SPDX-License-Identifier: Apache-2.0
#include "processes/launcher_server.h"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace p2plab::processes {

namespace {

constexpr int look_every = Silence::look_every.count();  // milliseconds, for ranks that live but do not come
constexpr int looks_until_lost = 20;                     // two seconds in which this process ran and a rank's did not
constexpr Seconds timeout_of_end{5};                     // a rank that was told to end has as long for it

// Is the process stopped by a signal (SIGSTOP, SIGTTIN)? One that a debugger holds is not.
bool is_stopped(int process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'T';
}

}  // namespace

Hub::Hub(std::vector<Member> members, Seconds timeout, Seconds silence) : members_(std::move(members)), timeout_(timeout), silence_(silence) {
  for (auto& member : members_) member.silence = Silence(silence);
}

std::vector<Status> Hub::serve() {
  while (anyone()) {
    listen();
    look_for_late();
    look_for_stopped();
  }
  std::vector<Status> outcomes;
  for (std::size_t r = 0; r < members_.size(); ++r) {
    const auto end = ended(static_cast<int>(r));
    const auto& said = members_[r].outcome;
    outcomes.push_back(said ? *said : end);
  }
  return outcomes;
}

bool Hub::anyone() const {
  return std::ranges::any_of(members_, [](const Member& member) { return !member.left; });
}

void Hub::listen() {
  std::vector<pollfd> waiting;
  std::vector<int> ranks;
  for (std::size_t r = 0; r < members_.size(); ++r) {
    if (members_[r].left) continue;
    waiting.push_back({members_[r].socket.get(), POLLIN, 0});
    ranks.push_back(static_cast<int>(r));
  }
  if (poll(waiting.data(), waiting.size(), look_every) <= 0) return;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i].revents != 0) hear(ranks[i]);
  }
}

void Hub::hear(int rank) {
  auto& member = members_[static_cast<std::size_t>(rank)];
  auto message = receive(member.socket.get());
  if (!message) {
    // The socket closes with the process. A rank that violates the protocol is killed.
    if (member.ours) kill(member.process, SIGKILL);
    return leave(rank, member.looks_stopped < looks_until_lost ? ended(rank) : Status{Error{ErrorCode::device_failure, stopped(rank)}});
  }
  member.silence.heard();
  if (message->kind == MessageKind::farewell) return leave(rank, outcome_of(message->text));
  if (message->version != protocol_version) {
    return lose(rank, fmt::format("rank {} speaks version {} of the protocol, the others version {}", rank, message->version, protocol_version));
  }
  if (message->kind == MessageKind::hello) member.greeted = true;
  if (message->kind == MessageKind::contribute) contribute(rank, *std::move(message));
}

// Once all parts are there, all of them go to everybody; to rank 0 last, whose process may be this one, and end when it has them.
void Hub::contribute(int rank, Message message) {
  const auto number = message.number;
  auto& parts = exchanges_[number].parts;
  parts.insert_or_assign(rank, std::move(message));
  if (parts.size() < members_.size()) {
    // Whoever has left will never come.
    for (std::size_t r = 0; r < members_.size(); ++r) {
      if (members_[r].left) return lose(static_cast<int>(r), fmt::format("rank {} has ended", r));
    }
    return;
  }
  std::vector<const Message*> all;
  for (auto& [from, part] : parts) {
    part.kind = MessageKind::part;
    part.rank = from;
    all.push_back(&part);
  }
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) send(member->socket.get(), all);
  exchanges_.erase(number);
}

void Hub::leave(int rank, Status outcome) {
  auto& member = members_[static_cast<std::size_t>(rank)];
  member.left = true;
  const bool good = static_cast<bool>(outcome);
  const auto why = good ? fmt::format("rank {} has ended", rank) : fmt::format("rank {}: {}", rank, outcome.error().message);
  member.outcome = std::move(outcome);
  const bool awaited = std::ranges::any_of(exchanges_, [&](const auto& entry) { return !entry.second.parts.contains(rank); });
  if (!good || awaited) lose(rank, why);
}

// All ranks are told of the first loss only.
void Hub::lose(int rank, const std::string& why) {
  if (std::exchange(lost_, true)) return;
  lost_at_ = Clock::now();
  const Message lost{.kind = MessageKind::lost, .rank = rank, .text = why};
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) send(member->socket.get(), lost);
}

void Hub::look_for_late() {
  const auto now = Clock::now();
  // Ranks that do not even end when told so would keep the launcher for ever.
  if (lost_ && now - lost_at_ > std::min(timeout_, timeout_of_end)) {
    for (const auto& member : members_) {
      if (!member.left && member.ours) kill(member.process, SIGKILL);
    }
  }
  for (const auto& [number, exchange] : exchanges_) {
    if (lost_ || now - exchange.begun < timeout_) continue;
    for (std::size_t r = 0; r < members_.size(); ++r) {
      if (exchange.parts.contains(static_cast<int>(r))) continue;
      return lose(static_cast<int>(r),
                  fmt::format("rank {} (process {}) lives but kept the others waiting for {:g} s", r, members_[r].process, timeout_.count()));
    }
  }
}

// A stopped rank never ends a call that others wait in, and never hears that it should end. Where the whole job is stopped, so is this process, and
// the looks do not count.
void Hub::look_for_stopped() {
  const auto now = Clock::now();
  if (now - looked_at_ < std::chrono::milliseconds{look_every}) return;
  looked_at_ = now;
  for (std::size_t r = 0; r < members_.size(); ++r) {
    auto& member = members_[r];
    if (member.left || !member.here) continue;  // of others only their sockets are known
    member.looks_stopped = is_stopped(member.process) ? member.looks_stopped + 1 : 0;
    if (member.looks_stopped != looks_until_lost) continue;
    lose(static_cast<int>(r), stopped(static_cast<int>(r)));
    if (member.ours)
      kill(member.process, SIGKILL);
    else
      give_up(member, stopped(static_cast<int>(r)));
  }
  look_for_silent();
}

// Nobody waits for it any more.
void Hub::give_up(Member& member, const std::string& why) {
  member.left = true;
  member.outcome = Error{ErrorCode::device_failure, why};
}

// Of a process that this one did not start nothing is heard when it, or its machine, stands still.
void Hub::look_for_silent() {
  const bool asks = ++looks_ % Silence::looks_between_words == 0;
  for (std::size_t r = 0; r < members_.size(); ++r) {
    auto& member = members_[r];
    if (member.left || member.ours) continue;
    if (asks) send(member.socket.get(), {.kind = MessageKind::alive, .rank = static_cast<std::int32_t>(r)});
    if (!member.silence.look()) continue;
    const auto why = fmt::format("nothing was heard of the process of rank {} ({}) for {:g} s: it, or its machine, stands still", r, member.process,
                                 silence_.count());
    lose(static_cast<int>(r), why);
    give_up(member, why);
  }
}

std::string Hub::stopped(int rank) const {
  return fmt::format("rank {} (process {}) was stopped by a signal and stands still", rank, members_[static_cast<std::size_t>(rank)].process);
}

// Waits for the process, so that none is left behind.
Status Hub::ended(int rank) const {
  int status = 0;
  const auto& member = members_[static_cast<std::size_t>(rank)];
  const auto process = member.process;
  if (!member.ours) return member.outcome ? *member.outcome : Error{ErrorCode::device_failure, fmt::format("its process ({}) has ended", process)};
  if (waitpid(process, &status, 0) != process) return {};  // asked before
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const auto how = WIFSIGNALED(status) ? fmt::format("was killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)))
                                       : fmt::format("ended with exit code {}", WEXITSTATUS(status));
  return Error{ErrorCode::device_failure, fmt::format("the process of rank {} ({}) {}", rank, process, how)};
}

}  // namespace p2plab::processes
