// SPDX-License-Identifier: Apache-2.0
// Every setting, and what its value can be.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/detail/settings.h"

namespace p2plab {

namespace {

constexpr double day = 86400;

std::string within(const std::string& text, double least, double most) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = code == std::errc{} && end == text.data() + text.size() && std::isfinite(value) && value >= least && value <= most;
  return good ? "" : fmt::format("it must be a number from {:g} to {:g}", least, most);
}

constexpr std::size_t shortest_secret = 16;

std::string readable(const std::string& path) {
  return path.empty() || access(path.c_str(), R_OK) == 0 ? "" : fmt::format("'{}' cannot be read", path);
}

std::string all_readable(const std::string& paths) {
  for (std::size_t from = 0; from <= paths.size();) {
    const auto end = std::min(paths.find(':', from), paths.size());
    if (auto complaint = readable(paths.substr(from, end - from)); !complaint.empty()) return complaint;
    from = end + 1;
  }
  return "";
}

}  // namespace

const std::vector<SettingRule>& setting_rules() {
  using enum SettingKind;
  static const std::vector<SettingRule> all{
      {"library.address", "P2PLAB_ADDRESS", "MASTER_ADDR and MASTER_PORT", "libp2plab, bench and run --launched", "where ranks meet, as host:port"},
      {"library.backend", "P2PLAB_BACKEND", "auto", "libp2plab", "auto, p2p, host or nccl", word, {"auto", "p2p", "host", "nccl"}},
      {"library.carriers",
       "P2PLAB_CARRIERS",
       "4 over sockets, else 1",
       "libp2plab, executor cuda",
       "NCCL communicators between servers",
       number,
       {},
       1,
       8},
      {"library.carrier_part", "P2PLAB_CARRIER_PART", "64", "libp2plab, executor cuda", "KiB of a message at least by each", number, {}, 1, 65536},
      {"library.deadline", "P2PLAB_DEADLINE", "2", "libp2plab, executors", "seconds that a kernel waits for another rank", number, {}, 0.1, day},
      {"shim.disable", "P2PLAB_DISABLE", "", "NCCL shim", "set: every call is passed on", flag},
      {"nccl.env_file", "P2PLAB_ENV_FILE", "", "libnccl-env-p2plab", "a file of NCCL's variables", file},
      {"shim.join", "P2PLAB_JOIN", "5", "NCCL shim", "seconds for all ranks to meet", number, {}, 0, day},
      {"", "P2PLAB_LIBRARY", "beside the package", "Python package", "the path of libp2plab.so.1", file},
      {"monitor.level",
       "P2PLAB_MONITOR",
       "off",
       "libp2plab, shim, executor host, profiler plugin",
       "off, basic, detailed or steps: what is recorded",
       word,
       {"off", "basic", "detailed", "steps", "0", "1", ""}},
      {"monitor.each", "P2PLAB_MONITOR_EACH", "0", "libp2plab", "1: kernels note every call of a graph", word, {"0", "1", ""}},
      {"monitor.folder", "P2PLAB_MONITOR_DIR", "/dev/shm", "those that record, p2plab monitor and explain", "where records lie", folder},
      {"library.interface", "P2PLAB_INTERFACE", "the first that is no bridge", "libp2plab, executors", "the network of rank 0 that all ranks reach"},
      {"library.nccl", "P2PLAB_NCCL", "libnccl.so.2", "libp2plab, executors, shim", "the path of NCCL", library},
      {"library.nvrtc", "P2PLAB_NVRTC", "libnvrtc.so", "libp2plab, executor cuda", "the path of NVRTC", library},
      {"library.order", "P2PLAB_ORDER", "any", "libp2plab, NCCL shim", "any, or fixed: one order of sums", word, {"any", "fixed"}},
      {"library.prepare", "P2PLAB_PREPARE", "all-reduces from 1 KiB to 1 MiB", "libp2plab", "what is made ready at the beginning"},
      {"program.profiles", "P2PLAB_PROFILES", "those installed", "p2plab", "folders where profiles are looked for, separated by ':'", files},
      {"shim.report", "P2PLAB_REPORT", "", "NCCL shim", "1 or a file: what was served and passed on, at the end"},
      {"", "P2PLAB_SECRET", "", "libp2plab, bench and run --launched", "what ranks that meet at an address must know", secret},
      {"", "P2PLAB_SETTINGS", "~/.config/p2plab/settings.yaml", "p2plab, libp2plab, NCCL shim and plugins", "the settings file", file},
      {"library.silence", "P2PLAB_SILENCE", "10", "libp2plab, executors", "seconds that another rank's process may stand still", number, {}, 1, day},
      {"library.slices",
       "P2PLAB_SLICES",
       "1",
       "libp2plab",
       "slices in which a large call over servers may go; not shown on GPUs yet",
       number,
       {},
       1,
       4},
      {"shim.timeout", "P2PLAB_TIMEOUT", "60", "NCCL shim", "seconds that a rank may keep others waiting in the set-up", number, {}, 0, day},
      {"library.tuned", "P2PLAB_TUNED", "the built-in tuning", "libp2plab", "tuned tables, separated by ':'", files},
      {"nccl.tuner_file", "P2PLAB_TUNER_FILE", "./nccl_tuner.conf", "libnccl-tuner-p2plab", "rules for NCCL", file},
      {"shim.wait", "P2PLAB_WAIT", "20", "NCCL shim", "seconds for programs to be ready", number, {}, 0, day},
      {"library.watch", "P2PLAB_WATCH", "0.5", "libp2plab", "seconds between looks at the GPUs' NVLinks; 0: never", number, {}, 0, 3600}};
  return all;
}

std::string complaint_of(const SettingRule& rule, const std::string& value) {
  switch (rule.kind) {
    case SettingKind::word:
      return std::ranges::find(rule.words, value) != rule.words.end() ? "" : fmt::format("it can be {}", fmt::join(rule.words, ", "));
    case SettingKind::number: return within(value, rule.least, rule.most);
    case SettingKind::secret: return value.size() < shortest_secret ? fmt::format("it must have at least {} characters", shortest_secret) : "";
    case SettingKind::file: return readable(value);
    case SettingKind::files: return all_readable(value);
    case SettingKind::folder: return access(value.c_str(), W_OK | X_OK) == 0 ? "" : "no files can be made in it";
    default: return "";
  }
}

Result<SettingRule> setting_rule(std::string_view key) {
  std::vector<std::string> keys;
  for (const auto& rule : setting_rules()) {
    if (rule.key.empty()) continue;
    if (rule.key == key) return rule;
    keys.emplace_back(rule.key);
  }
  return unknown_name("setting", std::string{key}, keys);
}

}  // namespace p2plab
