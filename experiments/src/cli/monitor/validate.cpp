// SPDX-License-Identifier: Apache-2.0
// p2plab validate: what the monitor promises beside what it does on this machine.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "p2plab/run/monitor.h"

namespace p2plab::cli {

namespace {

struct ValidateArguments {
  std::uint64_t calls = 200'000;
  int threads = 8;
  std::uint64_t pace = 10'000;
  double seconds = 2;
  int readers = 3;
  bool json = false;
};

struct Promise {
  std::string what;
  std::string promised;
  std::string found;
  bool kept = false;
};

// The documents' overheads are shares of a call at 10,000 calls a second, which are 100 us apart.
constexpr double call_ns = 100'000;

constexpr auto on_gpus =
    "times of GPUs against device events, and what recording costs calls on GPUs: p2plab_recording_cost LIBP2PLAB FOLDER RANKS GPUS, of the build's "
    "tests/device, says both";

std::vector<Promise> promises_of(const RecordingCheck& check, const RecordingCheckOptions& options) {
  const auto share = [](double ns) { return fmt::format("{:.0f} ns, {:.3f} %", ns, 100 * ns / call_ns); };
  return {
      {"host time of a recorded call, at 10,000 a second", "under 1 % (basic), here under 0.5 %", share(check.call_ns),
       check.call_ns < 0.005 * call_ns},
      {"host time of a recorded step", "under 5 % (steps), for 10 steps a call", share(10 * check.steps_ns), 10 * check.steps_ns < 0.05 * call_ns},
      {fmt::format("calls of {} communicators at {} a second that {} readers missed", options.threads, options.pace, options.readers), "0",
       fmt::format("{} of {}, at {:.0f} a second", check.paced.unread, check.paced.written, check.paced.per_second), check.paced.unread == 0},
      {"of those read, calls that are not what was written", "0", fmt::format("{}", check.paced.wrong), check.paced.wrong == 0},
      {"calls a second as fast as they go, all threads, while one reads", "10,000", fmt::format("{:.0f}", check.written_per_second),
       check.written_per_second > 10'000},
      {"calls read that are not what was written", "0", fmt::format("{} of {}", check.wrong, check.read), check.wrong == 0},
      {"calls neither read, nor said to be overwritten or left out", "0",
       fmt::format("{} of {}", check.written - std::min(check.written, check.read + check.overwritten + check.missed), check.written),
       check.read + check.overwritten + check.missed == check.written},
      {"recorded time of calls of 100 us", "within 1 %", fmt::format("{:.3f} % off (median)", 100 * check.time_error), check.time_error < 0.01},
      {"bytes of a call in the record", "at most 100", fmt::format("{}", check.call_bytes), check.call_bytes <= 100},
      {"calls kept of two ranks, each a process", "100,000", fmt::format("{}", 2 * check.ring), 2 * check.ring >= 100'000},
      {"size of a process's record", "under 100 MB", fmt::format("{:.1f} MB", static_cast<double>(check.file_bytes) * 1e-6),
       check.file_bytes < 100'000'000},
      {"after 24 h at that pace (counters set on): growth of file, writer's memory", "0 and at most 1 MB",
       fmt::format("{} B and {:.2f} MB, {} calls", check.day.file_grew, static_cast<double>(check.day.memory_grew) * 1e-6, check.day.calls),
       check.day.file_grew == 0 && check.day.memory_grew <= 1'000'000},
      {"then calls wrong or missing in the ring, and overwritten unsaid", "0 and 0", fmt::format("{} and {}", check.day.wrong, check.day.unsaid),
       check.day.wrong == 0 && check.day.unsaid == 0}};
}

Status validate(const ValidateArguments& arguments, Watch& watch) {
  const RecordingCheckOptions options{.threads = arguments.threads,
                                      .calls = arguments.calls,
                                      .pace = arguments.pace,
                                      .paced = Seconds{arguments.seconds},
                                      .readers = arguments.readers};
  const auto check = check_recording(options);
  if (!check) return check.error();
  const auto promises = promises_of(*check, options);
  int broken = 0;
  nlohmann::ordered_json json{{"promises", nlohmann::ordered_json::array()}, {"not_measured_here", on_gpus}};
  auto text = fmt::format("{:<76} {:<40} {}\n", "what", "promised", "found");
  for (const auto& promise : promises) {
    broken += promise.kept ? 0 : 1;
    text += fmt::format("{:<76} {:<40} {}{}\n", promise.what, promise.promised, promise.found, promise.kept ? "" : "  NOT KEPT");
    json["promises"].push_back({{"what", promise.what}, {"promised", promise.promised}, {"found", promise.found}, {"kept", promise.kept}});
  }
  text += fmt::format("not measured here: {}\n", on_gpus);
  if (auto printed = watch.print(arguments.json ? json.dump(2) + "\n" : text); !printed) return printed;
  if (broken == 0) return {};
  return Error{ErrorCode::verification_failed, fmt::format("{} of {} promises are not kept on this machine now", broken, promises.size())};
}

}  // namespace

Command validate_command(CLI::App& parent) {
  auto a = std::make_shared<ValidateArguments>();
  auto* app = add_command(parent, "validate", "What the monitor promises beside what it does on this machine", "p2plab validate");
  app->add_option("--calls", a->calls, "of each thread")->check(CLI::Range(std::uint64_t{1000}, std::uint64_t{1'000'000'000}))->capture_default_str();
  app->add_option("--threads", a->threads, "that record at once, each its own communicator")->check(CLI::Range(1, 64))->capture_default_str();
  app->add_option("--pace", a->pace, "calls a second, of all threads, while readers follow")
      ->check(CLI::Range(100, 1'000'000))
      ->capture_default_str();
  app->add_option("--seconds", a->seconds, "for how long")->check(CLI::Range(0.1, 3600.0))->capture_default_str();
  app->add_option("--readers", a->readers, "that follow")->check(CLI::Range(1, 16))->capture_default_str();
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a](Watch& watch) { return validate(*a, watch); }};
}

}  // namespace p2plab::cli
