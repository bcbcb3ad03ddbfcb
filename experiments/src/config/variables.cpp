// SPDX-License-Identifier: Apache-2.0
#include "config/variables.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/base/error.h"

namespace p2plab {

namespace {

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} && end == text.data() + text.size() && std::isfinite(value) ? std::optional{value} : std::nullopt;
}

std::string one_of(const std::string& value, const std::vector<std::string>& words) {
  return std::ranges::find(words, value) != words.end() ? "" : fmt::format("it can be {}", fmt::join(words, ", "));
}

std::string within(const std::string& value, double least, double most) {
  const auto is = number(value);
  return is && *is >= least && *is <= most ? "" : fmt::format("it must be a number from {:g} to {:g}", least, most);
}

std::string readable(const std::string& paths) {
  for (std::size_t from = 0; from <= paths.size();) {
    const auto end = std::min(paths.find(':', from), paths.size());
    const auto path = paths.substr(from, end - from);
    if (!path.empty() && access(path.c_str(), R_OK) != 0) return fmt::format("'{}' cannot be read", path);
    from = end + 1;
  }
  return "";
}

std::string complaint_of(std::string_view name, const std::string& value) {
  constexpr double day = 86400;
  if (name == "P2PLAB_BACKEND") return one_of(value, {"auto", "p2p", "host", "nccl"});
  if (name == "P2PLAB_ORDER") return one_of(value, {"any", "fixed"});
  if (name == "P2PLAB_MONITOR") return one_of(value, {"off", "basic", "detailed", "steps", "0", "1", ""});
  if (name == "P2PLAB_DEADLINE") return within(value, 0.1, day);
  if (name == "P2PLAB_JOIN" || name == "P2PLAB_TIMEOUT" || name == "P2PLAB_WAIT") return within(value, 0, day);
  if (name == "P2PLAB_TUNED" || name == "P2PLAB_TUNER_FILE" || name == "P2PLAB_ENV_FILE" || name == "P2PLAB_LIBRARY" || name == "P2PLAB_PROFILES")
    return readable(value);
  if (name == "P2PLAB_MONITOR_DIR") return access(value.c_str(), W_OK | X_OK) == 0 ? "" : "no files can be made in it";
  return "";
}

struct Variable {
  std::string_view name;
  std::string_view usual;  // what holds without it
  std::string_view read_by;
  std::string_view meaning;
};

// All of them, by name.
const std::vector<Variable>& known_variables() {
  static const std::vector<Variable> all{
      {"P2PLAB_ADDRESS", "MASTER_ADDR and MASTER_PORT", "libp2plab, bench and run --launched", "where ranks meet, as host:port"},
      {"P2PLAB_BACKEND", "auto", "libp2plab", "auto, p2p, host or nccl"},
      {"P2PLAB_DEADLINE", "2", "libp2plab, executors", "seconds that a kernel waits for another rank"},
      {"P2PLAB_DISABLE", "", "NCCL shim", "set: every call is passed on"},
      {"P2PLAB_ENV_FILE", "", "libnccl-env-p2plab", "a file of NCCL's variables"},
      {"P2PLAB_JOIN", "5", "NCCL shim", "seconds for all ranks to meet"},
      {"P2PLAB_LIBRARY", "beside the package", "Python package", "the path of libp2plab.so.1"},
      {"P2PLAB_MONITOR", "off", "libp2plab, shim, profiler plugin, executor host", "off, basic, detailed or steps: what is recorded"},
      {"P2PLAB_MONITOR_DIR", "/dev/shm", "the same, p2plab monitor and explain", "where records lie"},
      {"P2PLAB_NCCL", "libnccl.so.2", "libp2plab, executors, shim", "the path of NCCL"},
      {"P2PLAB_NVRTC", "libnvrtc.so", "libp2plab, executor cuda", "the path of NVRTC"},
      {"P2PLAB_ORDER", "any", "libp2plab, NCCL shim", "any, or fixed: one order of sums"},
      {"P2PLAB_PREPARE", "all-reduces from 1 KiB to 1 MiB", "libp2plab", "what is made ready at the beginning"},
      {"P2PLAB_PROFILES", "those installed", "p2plab", "where profiles are looked for"},
      {"P2PLAB_REPORT", "", "NCCL shim", "1 or a file: what was served and passed on, at the end"},
      {"P2PLAB_TIMEOUT", "60", "NCCL shim", "seconds that a rank may keep others waiting in the set-up"},
      {"P2PLAB_TUNED", "the built-in tuning", "libp2plab", "tuned tables, separated by ':'"},
      {"P2PLAB_TUNER_FILE", "./nccl_tuner.conf", "libnccl-tuner-p2plab", "rules for NCCL"},
      {"P2PLAB_WAIT", "20", "NCCL shim", "seconds for programs to be ready"}};
  return all;
}

}  // namespace

std::vector<VariableState> variables_now(const std::vector<std::string>& environment) {
  std::vector<VariableState> states;
  std::vector<std::string> names;
  for (const auto& known : known_variables()) {
    names.emplace_back(known.name);
    VariableState state{std::string{known.name}, std::string{known.usual}, "default", std::string{known.read_by}, std::string{known.meaning}};
    for (const auto& each : environment) {
      if (!each.starts_with(state.name + "=")) continue;
      state.value = each.substr(state.name.size() + 1);
      state.from = "environment";
      state.complaint = complaint_of(known.name, state.value);
    }
    states.push_back(std::move(state));
  }
  for (const auto& each : environment) {
    const auto name = each.substr(0, each.find('='));
    if (!name.starts_with("P2PLAB_") || std::ranges::find(names, name) != names.end()) continue;
    const auto error = unknown_name("variable", name, names);
    states.push_back({name, each.size() > name.size() ? each.substr(name.size() + 1) : "", "environment", "nothing", "",
                      fmt::format("{}; {}", error.message, fmt::join(error.notes, "; "))});
  }
  return states;
}

}  // namespace p2plab
