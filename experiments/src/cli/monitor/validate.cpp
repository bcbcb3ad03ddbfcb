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

std::vector<Promise> promises_of(const RecordingCheck& check) {
  const auto share = [](double ns) { return fmt::format("{:.0f} ns, {:.3f} %", ns, 100 * ns / call_ns); };
  return {
      {"host time of a recorded call, at 10,000 a second", "under 1 % (basic), here under 0.5 %", share(check.call_ns),
       check.call_ns < 0.005 * call_ns},
      {"host time of a recorded step", "under 5 % (steps), for 10 steps a call", share(10 * check.steps_ns), 10 * check.steps_ns < 0.05 * call_ns},
      {"calls a second, all threads, while a reader reads", "10,000", fmt::format("{:.0f}", check.written_per_second),
       check.written_per_second > 10'000},
      {"calls read that are not what was written", "0", fmt::format("{} of {}", check.wrong, check.read), check.wrong == 0},
      {"calls neither read, nor said to be overwritten or left out", "0",
       fmt::format("{} of {}", check.written - std::min(check.written, check.read + check.overwritten + check.missed), check.written),
       check.read + check.overwritten + check.missed == check.written},
      {"recorded time of calls of 100 us", "within 1 %", fmt::format("{:.3f} % off (median)", 100 * check.time_error), check.time_error < 0.01},
      {"size of a process's record, however long it runs", "under 100 MB",
       fmt::format("{:.1f} MB, the last {} calls", static_cast<double>(check.file_bytes) * 1e-6, check.ring), check.file_bytes < 100'000'000}};
}

Status validate(const ValidateArguments& arguments, Watch& watch) {
  const auto check = check_recording({.threads = arguments.threads, .calls = arguments.calls});
  if (!check) return check.error();
  const auto promises = promises_of(*check);
  int broken = 0;
  nlohmann::ordered_json json{{"promises", nlohmann::ordered_json::array()},
                              {"not_measured_here", "times of GPUs against device events, and what recording costs calls on GPUs"}};
  auto text = fmt::format("{:<60} {:<40} {}\n", "what", "promised", "found");
  for (const auto& promise : promises) {
    broken += promise.kept ? 0 : 1;
    text += fmt::format("{:<60} {:<40} {}{}\n", promise.what, promise.promised, promise.found, promise.kept ? "" : "  NOT KEPT");
    json["promises"].push_back({{"what", promise.what}, {"promised", promise.promised}, {"found", promise.found}, {"kept", promise.kept}});
  }
  text += "not measured here: times of GPUs against device events, and what recording costs calls on GPUs\n";
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
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a](Watch& watch) { return validate(*a, watch); }};
}

}  // namespace p2plab::cli
