// SPDX-License-Identifier: Apache-2.0
#include "cli/monitor/serve.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <httplib.h>

#include "cli/monitor/looking.h"

namespace p2plab::cli {

namespace {

constexpr std::size_t most_readers = 16;
// With its parameter it is none that cpp-httplib compresses: a trace of 25 MB took it a minute.
constexpr const char* json_type = "application/json; charset=utf-8";

struct Address {
  std::string host;
  int port = 0;
};

Result<Address> read_address(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto bad = [&](const std::string& why) {
    return Error{ErrorCode::usage, fmt::format("--serve {}: {}", text, why), std::nullopt, {"write it as 127.0.0.1:8080"}};
  };
  if (colon == std::string::npos || colon == 0) return bad("an address and a port are needed");
  auto host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto port = text.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos || std::stoi(port) > 65535)
    return bad("the port is a number up to 65535");
  return Address{host, std::stoi(port)};
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

// Without telling by its time how much of it was right.
bool equal(const std::string& given, const std::string& token) {
  unsigned different = given.size() == token.size() ? 0 : 1;
  for (std::size_t i = 0; i < token.size(); ++i)
    different |= static_cast<unsigned>(token[i]) ^ static_cast<unsigned>(i < given.size() ? given[i] : 0);
  return different == 0;
}

// What the page shows, and who waits for it.
class Board {
 public:
  void publish(std::string json, std::string metrics, std::vector<RecordedProcess> processes) {
    {
      const std::lock_guard lock(mutex_);
      json_ = std::move(json);
      metrics_ = std::move(metrics);
      processes_ = std::move(processes);
      ++version_;
    }
    changed_.notify_all();
  }
  void end() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
  }
  /// The next version after `seen`; empty when it is over.
  std::string next(std::uint64_t& seen) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return over_ || version_ > seen; });
    if (over_) return {};
    seen = version_;
    return json_;
  }
  std::string json() const {
    const std::lock_guard lock(mutex_);
    return json_;
  }
  std::string metrics() const {
    const std::lock_guard lock(mutex_);
    return metrics_;
  }
  std::vector<RecordedProcess> processes() const {
    const std::lock_guard lock(mutex_);
    return processes_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t version_ = 0;
  bool over_ = false;
  std::string json_ = "{}";
  std::string metrics_;
  std::vector<RecordedProcess> processes_;
};

// Only reads, only by the name that this serves under (a page elsewhere whose name was made to mean this machine has another), only by its own page.
class Gate {
 public:
  Gate(const Address& address, int port, std::string token) : token_(std::move(token)) {
    for (const auto& host : {address.host, std::string{"localhost"}, std::string{"127.0.0.1"}, std::string{"[::1]"}, "[" + address.host + "]"})
      hosts_.push_back(fmt::format("{}:{}", host, port));
    any_host_ = address.host == "0.0.0.0" || address.host == "::";
  }
  /// 0: come in; else the status of the refusal.
  int refusal(const httplib::Request& request) const {
    if (request.method != "GET" && request.method != "HEAD") return 405;
    const auto host = request.get_header_value("Host");
    if (!any_host_ && std::ranges::find(hosts_, host) == hosts_.end()) return 421;
    if (const auto origin = request.get_header_value("Origin"); !origin.empty() && origin != "http://" + host) return 403;
    if (token_.empty()) return 0;
    const auto bearer = request.get_header_value("Authorization");
    const auto given = bearer.starts_with("Bearer ") ? bearer.substr(7) : request.get_param_value("token");
    return equal(given, token_) ? 0 : 401;
  }

 private:
  std::string token_;
  std::vector<std::string> hosts_;
  bool any_host_ = false;
};

void add_headers(httplib::Response& response) {
  response.set_header("Content-Security-Policy",
                      "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:");
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  response.set_header("Cache-Control", "no-store");
}

void serve_events(const std::shared_ptr<Board>& board, const std::shared_ptr<std::atomic<std::size_t>>& readers, httplib::Response& response) {
  if (readers->fetch_add(1) >= most_readers) {
    readers->fetch_sub(1);
    response.status = 503;
    return;
  }
  response.set_chunked_content_provider(
      "text/event-stream",
      [board, seen = std::uint64_t{0}](std::size_t, httplib::DataSink& sink) mutable {
        const auto json = board->next(seen);
        if (json.empty()) {
          sink.done();
          return true;
        }
        const auto text = "data: " + json + "\n\n";
        return sink.write(text.data(), text.size());
      },
      [readers](bool) { readers->fetch_sub(1); });
}

// The last calls of each process.
std::string calls_of(const Board& board) {
  std::string lines;
  for (const auto& process : board.processes()) {
    const auto first = process.calls.size() > 200 ? process.calls.size() - 200 : 0;
    for (auto i = first; i < process.calls.size(); ++i) lines += (lines.empty() ? "" : ",") + monitor::call_line(process, process.calls[i]);
  }
  return "[" + lines + "]";
}

// The steps of the call that the request names, read from its process's records.
std::string steps_of(const Board& board, const httplib::Request& request) {
  const auto asked = [&](const char* what) { return request.get_param_value(what); };
  const monitor::AskedCall call{asked("communicator"), asked("rank"), asked("sequence"), asked("replay") == "true"};
  std::string steps = "[]";
  for (const auto& process : board.processes()) {
    if (std::to_string(process.pid) != asked("pid") || process.source != asked("source")) continue;
    if (const auto whole = read_records(process.path, {.steps = true})) steps = monitor::steps_json(*whole, call);
    if (steps != "[]") break;
  }
  return steps;
}

std::string trace_of(const Board& board) {
  std::vector<RecordedProcess> all;
  for (const auto& process : board.processes()) {
    auto whole = read_records(process.path, {.steps = true});
    all.push_back(whole ? *std::move(whole) : process);
  }
  return monitor::trace_of(all, {});
}

void add_pages(httplib::Server& server, const std::shared_ptr<Board>& board, const std::string& machine) {
  const auto readers = std::make_shared<std::atomic<std::size_t>>(0);
  server.Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(monitor_page().data(), monitor_page().size(), "text/html; charset=utf-8");
  });
  server.Get("/events", [board, readers](const httplib::Request&, httplib::Response& response) { serve_events(board, readers, response); });
  server.Get("/picture", [board](const httplib::Request&, httplib::Response& response) { response.set_content(board->json(), json_type); });
  server.Get("/machine", [machine](const httplib::Request&, httplib::Response& response) { response.set_content(machine, json_type); });
  server.Get("/metrics",
             [board](const httplib::Request&, httplib::Response& response) { response.set_content(board->metrics(), "text/plain; version=0.0.4"); });
  server.Get("/calls", [board](const httplib::Request&, httplib::Response& response) { response.set_content(calls_of(*board), json_type); });
  server.Get("/steps",
             [board](const httplib::Request& request, httplib::Response& response) { response.set_content(steps_of(*board, request), json_type); });
  server.Get("/trace", [board](const httplib::Request&, httplib::Response& response) {
    response.set_header("Content-Disposition", "attachment; filename=p2plab-trace.json");
    response.set_content(trace_of(*board), json_type);
  });
}

Status look_until_the_end(const ServeOptions& options, Board& board, Watch& watch) {
  Looking looking({.folder = options.folder}, options.ended);
  const auto end = monotonic_now() + static_cast<std::uint64_t>(options.lasting.count() * 1e9);
  while (!watch.asked() && monotonic_now() < end) {
    if (auto seen = looking.look(); !seen) return seen;
    const auto& picture = looking.picture();
    std::vector<RecordedProcess> processes;
    for (const auto* process : picture.processes) processes.push_back(*process);
    board.publish(monitor::picture_json(picture), monitor::prometheus_of(picture), std::move(processes));
    for (int piece = 0; piece < 25 && !watch.asked() && monotonic_now() < end; ++piece) std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  return {};
}

}  // namespace

Status serve(const ServeOptions& options, Watch& watch) {
  const auto address = read_address(options.address);
  if (!address) return address.error();
  if (!is_loopback(address->host) && options.token.size() < 16)
    return Error{ErrorCode::usage,
                 fmt::format("--serve {}: others reach this address, so a token of at least 16 characters is needed", options.address),
                 std::nullopt,
                 {"--token \"$(openssl rand -hex 16)\", or serve at 127.0.0.1 and come by ssh -L"}};
  const auto machine = machine_json(options.machine);
  if (!machine) return machine.error();
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(most_readers + 8); };
  server.set_payload_max_length(1024);
  const int port = address->port == 0                                  ? server.bind_to_any_port(address->host)
                   : server.bind_to_port(address->host, address->port) ? address->port
                                                                       : -1;
  if (port <= 0) return Error{ErrorCode::io, fmt::format("cannot listen at {}: taken, or not this machine's", options.address)};
  const auto gate = std::make_shared<Gate>(*address, port, options.token);
  server.set_pre_routing_handler([gate](const httplib::Request& request, httplib::Response& response) {
    add_headers(response);
    const int refusal = gate->refusal(request);
    if (refusal == 0) return httplib::Server::HandlerResponse::Unhandled;
    response.status = refusal;
    return httplib::Server::HandlerResponse::Handled;
  });
  const auto board = std::make_shared<Board>();
  add_pages(server, board, *machine);
  std::jthread listening([&server] { server.listen_after_bind(); });
  const auto host = address->host.find(':') == std::string::npos ? address->host : "[" + address->host + "]";
  auto done = watch.print(fmt::format("http://{}:{}/{}\n", host, port, options.token.empty() ? "" : "?token=" + options.token));
  if (done) done = look_until_the_end(options, *board, watch);
  board->end();
  server.stop();
  return done;
}

}  // namespace p2plab::cli
