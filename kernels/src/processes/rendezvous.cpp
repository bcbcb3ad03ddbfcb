// SPDX-License-Identifier: Apache-2.0
#include "p2plab/run/rendezvous.h"

#include <sys/random.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>

#include "p2plab/detail/digest.h"
#include "processes/rendezvous_server.h"
#include "processes/session.h"
#include "processes/silence.h"
#include "processes/tcp.h"

namespace p2plab {

namespace {

constexpr std::string_view mark = "p2plab2 ";

// Short, for an id has room for a long address and a token.
std::string machine_digits() {
  constexpr std::size_t digits = 12;
  Digest machine;
  machine.add(processes::machine_here());
  return to_string(machine.value()).substr(0, digits);
}

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

Result<Invitation> Invitation::at(const std::string& address, const std::string& secret) {
  constexpr std::size_t shortest = 16;
  const auto parsed = processes::TcpAddress::parse(address);
  if (!parsed) return parsed.error();
  if (!secret.empty() && secret.size() < shortest)
    return Error{ErrorCode::invalid_input, fmt::format("a secret of {} characters is easily guessed: it needs {}", secret.size(), shortest)};
  Digest token;
  token.add(secret);
  return Invitation("tcp/" + parsed->text(), secret.empty() ? std::string{} : to_string(token.value()));
}

std::string Invitation::warning() const {
  const auto address = processes::tcp_address(place_);
  if (!address || !token_.empty()) return {};
  const auto host = processes::TcpAddress::parse(*address)->host;
  if (host.starts_with("127.") || host == "localhost" || host == "::1") return {};
  return fmt::format("whoever reaches {} can take a rank's place: P2PLAB_SECRET is not set", *address);
}

std::string address_of_torchrun(const std::function<std::string(const std::string&)>& variable) {
  const auto host = variable("MASTER_ADDR");
  auto port = variable("MASTER_PORT");
  if (host.empty() || port.empty()) return {};
  int number = 0;
  const auto* const end = port.data() + port.size();
  const auto [rest, code] = std::from_chars(port.data(), end, number);
  // torchrun writes "True".
  if (variable("TORCHELASTIC_USE_AGENT_STORE") == "True" && code == std::errc{} && rest == end) port = std::to_string(number + 1);
  const bool brackets = host.find(':') != std::string::npos && host.front() != '[';
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

std::string secret_of_environment() {
  const char* secret = std::getenv("P2PLAB_SECRET");
  return secret == nullptr ? std::string{} : secret;
}

// The mark, the machine, the place, and the token or "-".
std::array<char, Invitation::size> Invitation::bytes() const {
  const auto text = fmt::format("{}{} {} {}", mark, machine_digits(), place_, token_.empty() ? "-" : token_);
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
  const auto first = std::min(rest.find(' '), rest.size());
  const auto last = std::max(rest.find_last_of(' '), first);
  const auto name = rest.substr(std::min(first + 1, rest.size()), last > first ? last - first - 1 : 0);
  const auto token = rest.substr(std::min(last + 1, rest.size()));
  const auto plain = [](const std::string& part) {
    return std::ranges::all_of(part, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == '/' || (c >= 'a' && c <= 'z'); });
  };
  const auto address = processes::tcp_address(name);
  const bool good_place =
      address ? static_cast<bool>(processes::TcpAddress::parse(*address)) : name.starts_with("p2plab/") && name.size() == 39 && plain(name);
  const bool good_token = token == "-" || (address && token.size() == processes::token_size && plain(token));
  if (!good_place || !good_token) return bad("this unique id of p2plab is damaged");
  if (!address && rest.substr(0, first) != machine_digits())
    return bad("this unique id was made on another machine: all ranks of a communicator live on one, or meet at an address");
  return Invitation(name, token == "-" ? std::string{} : token);
}

Result<std::unique_ptr<Session>> join(const Invitation& invitation, const JoinOptions& options, FileDescriptor listener) {
  if (options.ranks < 1 || options.ranks > most_joined || options.rank < 0 || options.rank >= options.ranks)
    return Error{ErrorCode::invalid_input, fmt::format("rank {} of {}: ranks are 0 to n-1, of at most {}", options.rank, options.ranks, most_joined)};
  const auto silence = processes::silence_limit(options.silence);
  if (!silence) return silence.error();
  const bool tcp = invitation.over_tcp();
  const auto token = processes::token_of(invitation.token());
  std::unique_ptr<processes::RendezvousServer> server;
  if (options.rank == 0) {
    auto opened = listener.get() >= 0 ? Result<FileDescriptor>{std::move(listener)} : processes::listen_at(invitation.place());
    if (!opened) return std::move(opened).error();
    const processes::RendezvousServer::Terms terms{
        .tcp = tcp, .token = token, .several_machines = options.several_machines, .ranks = options.ranks, .silence = *silence};
    server = std::make_unique<processes::RendezvousServer>(*std::move(opened), terms, options.gathering, options.timeout);
  }
  auto socket = processes::connect_to(invitation.place(), token, options.gathering);
  if (!socket) return std::move(socket).error();
  const auto machine = options.machine.empty() ? processes::machine_here() : options.machine;
  processes::SocketSession::Place place{.rank = options.rank,
                                        .ranks = options.ranks,
                                        .timeout = options.timeout,
                                        .greeting = processes::greeting(options.ranks, machine),
                                        .server = "the process of rank 0, where the ranks met,",
                                        .files_by_name = tcp,
                                        .silence = *silence};
  if (options.version > 0) place.version = static_cast<std::uint16_t>(options.version);
  auto session = std::make_unique<JoinedSession>(*std::move(socket), place, std::move(server));
  if (auto all = session->barrier(); !all) return std::move(all).error();
  return std::unique_ptr<Session>(std::move(session));
}

void abandon(Session& session, const std::string& why) {
  if (auto* const joined = dynamic_cast<JoinedSession*>(&session); joined != nullptr) joined->abandon(why);
}

}  // namespace p2plab
