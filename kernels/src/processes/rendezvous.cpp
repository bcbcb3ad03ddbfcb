// SPDX-License-Identifier: Apache-2.0
#include "p2plab/run/rendezvous.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "p2plab/detail/digest.h"
#include "processes/rendezvous_server.h"
#include "processes/session.h"
#include "processes/tcp.h"

namespace p2plab {

namespace {

constexpr std::string_view mark = "p2plab-meet-1 ";

// Ends when its owner goes: says farewell first, and, on rank 0, serves until the others have gone, too.
class JoinedSession final : public Session {
 public:
  JoinedSession(FileDescriptor socket, const processes::SocketSession::Place& place, std::unique_ptr<processes::RendezvousServer> server)
      : server_(std::move(server)), session_(std::make_unique<processes::SocketSession>(std::move(socket), place)) {}
  ~JoinedSession() override {
    session_->farewell({});
    session_.reset();
    // The others may go on for long; they are served from a thread that belongs to nobody.
    if (server_) std::thread([server = std::shared_ptr<processes::RendezvousServer>(std::move(server_))] {}).detach();
  }
  JoinedSession(const JoinedSession&) = delete;
  JoinedSession& operator=(const JoinedSession&) = delete;
  JoinedSession(JoinedSession&&) = delete;
  JoinedSession& operator=(JoinedSession&&) = delete;

  int rank() const override { return session_->rank(); }
  int ranks() const override { return session_->ranks(); }
  Result<std::vector<std::string>> all_gather(const std::string& mine) override { return session_->all_gather(mine); }
  Result<std::vector<FileDescriptor>> share(int mine) override { return session_->share(mine); }
  std::string address() const override { return session_->address(); }
  Status state() const override { return session_->state(); }
  std::shared_ptr<void> on_loss(std::function<void()> listener) override { return session_->on_loss(std::move(listener)); }
  void abandon(const std::string& why) { session_->abandon(why); }

 private:
  std::unique_ptr<processes::RendezvousServer> server_;
  std::unique_ptr<processes::SocketSession> session_;
};

}  // namespace

Result<Invitation> Invitation::make() {
  std::array<unsigned char, 16> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    return Error{ErrorCode::io, "the system gives no random numbers to meet by"};
  std::string name = "p2plab/";
  for (const auto byte : random) name += fmt::format("{:02x}", byte);
  return Invitation(std::move(name));
}

Invitation Invitation::named(const std::string& text) {
  Digest name;
  name.add(text);
  return Invitation("p2plab/" + to_string(name.value()));
}

Result<Invitation> Invitation::at(const std::string& address) {
  const auto parsed = processes::TcpAddress::parse(address);
  if (!parsed) return parsed.error();
  return Invitation("tcp/" + parsed->text());
}

std::array<char, Invitation::size> Invitation::bytes() const {
  const auto text = fmt::format("{}{} {}", mark, processes::machine_here(), place_);
  std::array<char, size> all{};
  expects(text.size() < size);
  std::ranges::copy(text, all.begin());
  return all;
}

Result<Invitation> Invitation::from_bytes(const std::array<char, size>& bytes) {
  const auto bad = [](const char* why) { return Error{ErrorCode::invalid_input, why}; };
  if (bytes.back() != 0) return bad("this is no unique id of p2plab");
  const std::string text(bytes.data());
  if (!text.starts_with(mark)) return bad("this is no unique id of p2plab, or one of another version");
  const auto rest = text.substr(mark.size());
  const auto space = rest.find(' ');
  const auto name = space == std::string::npos ? std::string{} : rest.substr(space + 1);
  const bool plain =
      std::ranges::all_of(name, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == '/' || (c >= 'a' && c <= 'z'); });
  const auto address = processes::tcp_address(name);
  if (address ? !processes::TcpAddress::parse(*address) : !name.starts_with("p2plab/") || name.size() != 39 || !plain)
    return bad("this unique id of p2plab is damaged");
  if (!address && rest.substr(0, space) != processes::machine_here())
    return bad("this unique id was made on another machine: all ranks of a communicator live on one");
  return Invitation(name);
}

Result<std::unique_ptr<Session>> join(const Invitation& invitation, const JoinOptions& options) {
  constexpr int most_ranks = 64;
  if (options.ranks < 1 || options.ranks > most_ranks || options.rank < 0 || options.rank >= options.ranks)
    return Error{ErrorCode::invalid_input, fmt::format("rank {} of {}: ranks are 0 to n-1, of at most {}", options.rank, options.ranks, most_ranks)};
  const bool tcp = processes::tcp_address(invitation.place()).has_value();
  std::unique_ptr<processes::RendezvousServer> server;
  if (options.rank == 0) {
    auto listener = processes::listen_at(invitation.place());
    if (!listener) return std::move(listener).error();
    server = std::make_unique<processes::RendezvousServer>(
        *std::move(listener), processes::RendezvousServer::Terms{.tcp = tcp, .several_machines = options.several_machines, .ranks = options.ranks},
        options.gathering, options.timeout);
  }
  auto socket = processes::connect_to(invitation.place(), options.gathering);
  if (!socket) return std::move(socket).error();
  const auto machine = options.machine.empty() ? processes::machine_here() : options.machine;
  processes::SocketSession::Place place{.rank = options.rank,
                                        .ranks = options.ranks,
                                        .timeout = options.timeout,
                                        .greeting = processes::greeting(options.ranks, machine),
                                        .server = "the process of rank 0, where the ranks met,",
                                        .files_by_name = tcp};
  if (options.version > 0) place.version = static_cast<std::uint16_t>(options.version);
  auto session = std::make_unique<JoinedSession>(*std::move(socket), place, std::move(server));
  if (auto all = session->barrier(); !all) return std::move(all).error();
  return std::unique_ptr<Session>(std::move(session));
}

void abandon(Session& session, const std::string& why) {
  if (auto* const joined = dynamic_cast<JoinedSession*>(&session); joined != nullptr) joined->abandon(why);
}

}  // namespace p2plab
