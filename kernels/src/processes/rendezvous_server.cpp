// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "processes/rendezvous_server.h"
#include "processes/tcp.h"

namespace p2plab::processes {

namespace {

// A socket a rank, of up to 1024, and some for strangers: more open files than a process has by default. As NCCL does.
void raise_open_files() {
  constexpr rlim_t enough = 4096;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= enough) return;
  limit.rlim_cur = std::min(enough, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);  // else ranks that find no place say so
}

using Clock = std::chrono::steady_clock;

constexpr int glance = 50;                   // milliseconds
constexpr std::size_t most_strangers = 256;  // that have not said who they are
constexpr Seconds greeting_time{5};          // then they are shown out
constexpr auto grace = std::chrono::seconds(1);

// Names in the kernel's own space: nothing in the file system, gone with the socket.
std::pair<sockaddr_un, socklen_t> address_of(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  expects(name.size() + 1 < sizeof address.sun_path);
  std::memcpy(&address.sun_path[1], name.data(), name.size());
  return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())};
}

constexpr std::string_view tcp_mark = "tcp/";

std::string job_of(int ranks) { return fmt::format("{} ranks", ranks); }

// Of a greeting: the job, the process, the machine; empty where it says nothing.
std::array<std::string, 3> fields_of(const std::string& text) {
  std::array<std::string, 3> fields;
  std::size_t at = 0;
  for (auto& field : fields) {
    const auto end = std::min(text.find('\0', at), text.size());
    field = text.substr(std::min(at, text.size()), end - std::min(at, text.size()));
    at = end + 1;
  }
  return fields;
}

FileDescriptor unix_socket() { return FileDescriptor{socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)}; }

// Who is at the other end, or listens there; nobody that another user started is let in, or led by.
std::optional<pid_t> peer(int socket) {
  ucred who{};
  socklen_t size = sizeof who;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || (who.uid != geteuid() && who.uid != 0)) return std::nullopt;
  return who.pid;
}

}  // namespace

std::string machine_here() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id.empty() ? std::string{"unknown"} : id.substr(0, 36);
}

std::string server_here() {
  const char* named = std::getenv("NCCL_HOSTID");
  return named == nullptr ? machine_here() : fmt::format("{} {}", machine_here(), named);
}

// Fields, each ended by a zero byte.
std::string greeting(int ranks, const std::string& machine) { return job_of(ranks) + '\0' + std::to_string(getpid()) + '\0' + machine; }

std::optional<std::string> tcp_address(const std::string& place) {
  return place.starts_with(tcp_mark) ? std::optional{place.substr(tcp_mark.size())} : std::nullopt;
}

Result<FileDescriptor> listen_at(const std::string& name) {
  raise_open_files();
  if (const auto text = tcp_address(name)) {
    const auto at = TcpAddress::parse(*text);
    return at ? listen_at(*at) : Result<FileDescriptor>{at.error()};
  }
  auto listener = unix_socket();
  const auto [address, size] = address_of(name);
  if (listener.get() < 0 || bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || listen(listener.get(), 128) != 0) {
    const auto why = errno == EADDRINUSE ? std::string{"another job of this machine meets there"} : std::string{std::strerror(errno)};
    return Error{ErrorCode::io, fmt::format("rank 0 cannot wait for the others: {}", why)};
  }
  return listener;
}

Result<FileDescriptor> connect_to(const std::string& name, const Token& token, Seconds timeout) {
  if (const auto text = tcp_address(name)) {
    const auto at = TcpAddress::parse(*text);
    return at ? connect_to(*at, token, timeout) : Result<FileDescriptor>{at.error()};
  }
  const auto [address, size] = address_of(name);
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout.count()));
  while (true) {
    auto socket = unix_socket();
    if (socket.get() < 0) return Error{ErrorCode::io, fmt::format("cannot make a socket: {}", std::strerror(errno))};
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0) {
      if (peer(socket.get())) return socket;
      return Error{ErrorCode::device_failure, "where rank 0 is awaited listens a process of another user"};
    }
    if (Clock::now() >= until) {
      return Error{ErrorCode::device_failure,
                   fmt::format("rank 0 did not come within {:g} s", timeout.count()),
                   std::nullopt,
                   {"all ranks must run on one machine, in one network namespace, for one user"}};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

RendezvousServer::RendezvousServer(FileDescriptor listener, const Terms& terms, Seconds gathering, Seconds timeout)
    : listener_(std::move(listener)),
      terms_(terms),
      ranks_(terms.ranks),
      gathering_(gathering),
      timeout_(timeout),
      members_(static_cast<std::size_t>(terms.ranks)) {
  thread_ = std::thread([this] { serve(); });
}

RendezvousServer::~RendezvousServer() { thread_.join(); }

void RendezvousServer::serve() {
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(gathering_.count()));
  while (!all_here() && refusal_.empty() && Clock::now() < until) look();
  // Those still on their way hear why not, too, if they come soon.
  for (const auto last = Clock::now() + grace; !refusal_.empty() && static_cast<int>(came_.size()) < ranks_ && Clock::now() < last;) look();
  if (refusal_.empty() && !all_here()) refusal_ = fmt::format("{} did not come within {:g} s", missing(), gathering_.count());
  strangers_.clear();
  listener_ = {};
  if (!refusal_.empty()) return turn_away();
  std::vector<Member> members;
  for (auto& member : members_) members.push_back(*std::move(member));
  Hub(std::move(members), timeout_, terms_.silence).serve();
}

bool RendezvousServer::all_here() const {
  return std::ranges::all_of(members_, [](const auto& member) { return member.has_value(); });
}

std::vector<pollfd> RendezvousServer::waiting() const {
  std::vector<pollfd> all{{listener_.get(), POLLIN, 0}};
  for (const auto& stranger : strangers_) all.push_back({stranger.socket.get(), POLLIN, 0});
  // Of those who are in, only an end is news: they wait for an answer.
  for (const auto& member : members_) all.push_back({member ? member->socket.get() : -1, 0, 0});
  return all;
}

// Those who are in wait for the others, and for a word now and then. Until all have come nobody reads what they say, so they are not to answer; and
// who is stopped reads nothing, so their sockets fill: either would keep this thread from taking the others in.
void RendezvousServer::tell_that_it_lives() {
  if (Clock::now() - told_ < Silence::look_every * Silence::looks_between_words) return;
  told_ = Clock::now();
  for (const auto& member : members_) {
    if (member) send_if_room(member->socket.get(), {.kind = MessageKind::alive, .rank = -1});
  }
}

void RendezvousServer::look() {
  tell_that_it_lives();
  auto ready = waiting();
  if (poll(ready.data(), ready.size(), glance) < 0) return;
  const auto known = strangers_.size();
  for (std::size_t i = 0; i < known; ++i) {
    if (ready[1 + i].revents != 0) hear(strangers_[i]);
  }
  for (std::size_t r = 0; r < members_.size() && refusal_.empty(); ++r) {
    if ((ready[1 + known + r].revents & (POLLHUP | POLLERR)) != 0)
      refusal_ = fmt::format("the process of rank {} ({}) has ended", r, members_[r]->process);
  }
  if (ready[0].revents != 0) admit();
  const auto now = Clock::now();
  std::erase_if(strangers_, [&](const Stranger& stranger) {
    return stranger.socket.get() < 0 || Seconds{std::chrono::duration<double>(now - stranger.came).count()} > greeting_time;
  });
}

void RendezvousServer::admit() {
  auto socket = terms_.tcp ? accept_at(listener_.get()) : FileDescriptor{accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (socket.get() < 0) return;
  // Who came first and still says nothing goes first; who has shown the token after those who have not.
  if (strangers_.size() >= most_strangers) {
    const auto oldest = std::ranges::find(strangers_, false, &Stranger::admitted);
    strangers_.erase(oldest == strangers_.end() ? strangers_.begin() : oldest);
  }
  const auto process = terms_.tcp ? std::optional<pid_t>{0} : peer(socket.get());
  if (process) strangers_.push_back({.socket = std::move(socket), .process = *process, .came = Clock::now(), .admitted = !terms_.tcp});
}

// Over TCP only the token is read, as it comes, until it has been right.
bool RendezvousServer::is_admitted(Stranger& stranger) {
  if (stranger.admitted) return true;
  const auto shown = stranger.shown.look(stranger.socket.get(), terms_.token);
  if (shown == ShownToken::State::right) {
    stranger.admitted = welcome(stranger.socket.get());
    if (!stranger.admitted) stranger.socket = {};
  } else if (shown == ShownToken::State::wrong) {
    if (stranger.shown.complete()) {
      refuse(stranger.socket.get());
      ++refused_;
    }
    stranger.socket = {};
  }
  return false;
}

// Whoever violates the protocol is disconnected; the ranks meet all the same.
void RendezvousServer::hear(Stranger& stranger) {
  if (!is_admitted(stranger)) return;
  auto socket = std::move(stranger.socket);
  const auto hello = receive(socket.get());
  if (!hello || hello->kind != MessageKind::hello) return;
  Member member;
  const auto fields = fields_of(hello->text);
  member.process = terms_.tcp ? std::atoi(fields[1].c_str()) : stranger.process;
  member.ours = false;
  member.here = !terms_.tcp;
  member.socket = std::move(socket);
  member.greeted = true;
  const auto why = place(std::move(member), *hello);
  if (refusal_.empty()) refusal_ = why;
}

// Gives a rank its place; else says why this job cannot be.
std::string RendezvousServer::place(Member member, const Message& hello) {
  std::string why;
  const auto rank = static_cast<std::size_t>(hello.rank);
  came_.insert(hello.rank);
  if (hello.version != protocol_version)
    why = fmt::format("rank {} speaks version {} of the protocol, rank 0 version {}", hello.rank, hello.version, protocol_version);
  else if (!terms_.several_machines && fields_of(hello.text)[2] != machine_here())
    why = fmt::format("rank {} is on another machine than rank 0: all ranks of a communicator live on one", hello.rank);
  else if (const auto job = fields_of(hello.text)[0]; job != job_of(ranks_))
    why = fmt::format("rank {} came to a job of {}, rank 0 to one of {}", hello.rank, job, job_of(ranks_));
  else if (hello.rank < 0 || rank >= members_.size())
    why = fmt::format("rank {} came to a job of {}", hello.rank, job_of(ranks_));
  else if (members_[rank])
    why = fmt::format("rank {} came twice: as process {} and as process {}; one job meets at an address at a time", hello.rank,
                      members_[rank]->process, member.process);
  if (why.empty())
    members_[rank] = std::move(member);
  else
    send(member.socket.get(), {.kind = MessageKind::lost, .rank = hello.rank, .text = why});
  return why;
}

std::string RendezvousServer::missing() const {
  std::string all;
  for (std::size_t r = 0; r < members_.size(); ++r) {
    if (!members_[r]) all += fmt::format("{}{}", all.empty() ? "" : ", ", r);
  }
  const auto others = refused_ == 0 ? std::string{} : fmt::format(" ({} came with another secret)", refused_);
  return fmt::format("rank {} of {}{}", all, ranks_, others);
}

// This process's own rank last: it may end the process when it hears.
void RendezvousServer::turn_away() {
  for (auto r = members_.size(); r-- > 0;) {
    if (members_[r]) send(members_[r]->socket.get(), {.kind = MessageKind::lost, .rank = static_cast<std::int32_t>(r), .text = refusal_});
  }
}

}  // namespace p2plab::processes
