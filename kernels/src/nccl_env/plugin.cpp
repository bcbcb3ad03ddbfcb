// SPDX-License-Identifier: Apache-2.0
// NCCL_ENV_PLUGIN=p2plab makes NCCL load libnccl-env-p2plab.so and ask it for every variable: what the process's environment says counts, else what
// the file says that P2PLAB_ENV_FILE names (`p2plab export --format nccl-env`). NCCL ends a process whose plugin fails, so nothing here does: lines
// that are wrong are said and left out.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include "nccl_env/interface.h"
#include "nccl_tuner/settings.h"

namespace p2plab::nccl_env {

namespace {

constexpr const char* plugin_name = "p2plab";
constexpr std::streamoff longest_file = 1 << 20;

// Read once, then never changed: NCCL keeps the addresses of what it was told.
using Variables = std::map<std::string, std::string, std::less<>>;

void say(Logger logger, LogLevel level, const std::string& text) {
  if (logger != nullptr)
    logger(level, env_log, __FILE__, __LINE__, "ENV/p2plab: %s", text.c_str());
  else if (level == LogLevel::warn)
    std::fprintf(stderr, "p2plab: NCCL's variables: %s\n", text.c_str());
}

bool is_name(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if ((c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_') return false;
  }
  return text.front() < '0' || text.front() > '9';
}

// A line of the file: NAME=value, or a comment. False if it is neither, or says again what was said.
bool take(std::string_view line, Variables& variables) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.find_first_not_of(" \t") == std::string_view::npos || line.front() == '#') return true;
  const auto equals = line.find('=');
  if (equals == std::string_view::npos || !is_name(line.substr(0, equals))) return false;
  return variables.emplace(line.substr(0, equals), line.substr(equals + 1)).second;
}

Variables read(Logger logger) {
  Variables variables;
  const auto& settings = nccl_tuner::PluginSettings::of_process();
  if (!settings.trouble().empty()) say(logger, LogLevel::warn, settings.trouble());
  const char* path = settings.get("P2PLAB_ENV_FILE");
  if (path == nullptr || *path == '\0') {
    say(logger, LogLevel::warn, "P2PLAB_ENV_FILE is not set: only the environment counts");
    return variables;
  }
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = file ? static_cast<std::streamoff>(file.tellg()) : std::streamoff{-1};
  if (size < 0 || size > longest_file) {
    say(logger, LogLevel::warn, std::string{path} + " cannot be read or is longer than 1 MiB: only the environment counts");
    return variables;
  }
  file.seekg(0);
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (!take(line, variables))
      say(logger, LogLevel::warn, std::string{path} + ":" + std::to_string(number) + ": neither NAME=value with a new name nor a comment");
  }
  say(logger, LogLevel::info, std::to_string(variables.size()) + " variables from " + path);
  return variables;
}

// Made when first asked for, by whichever of NCCL's threads; never destroyed, for NCCL asks until the process ends.
const Variables& variables(Logger logger) {
  static const auto* const made = new Variables(read(logger));
  return *made;
}

NcclResult init_v1(std::uint8_t, std::uint8_t, std::uint8_t, const char*) {
  variables(nullptr);
  return nccl_tuner::success;
}
NcclResult init_v2(std::uint8_t, std::uint8_t, std::uint8_t, const char*, Logger logger) {
  variables(logger);
  return nccl_tuner::success;
}
NcclResult finalize() { return nccl_tuner::success; }

const char* get(const char* name) {
  if (const char* value = std::getenv(name); value != nullptr) return value;
  const auto& all = variables(nullptr);
  const auto found = all.find(std::string_view{name});
  return found == all.end() ? nullptr : found->second.c_str();
}

}  // namespace

}  // namespace p2plab::nccl_env

extern "C" {

[[gnu::visibility("default")]] extern const p2plab::nccl_env::EnvV1 ncclEnvPlugin_v1;
[[gnu::visibility("default")]] extern const p2plab::nccl_env::EnvV2 ncclEnvPlugin_v2;
const p2plab::nccl_env::EnvV1 ncclEnvPlugin_v1{p2plab::nccl_env::plugin_name, p2plab::nccl_env::init_v1, p2plab::nccl_env::finalize,
                                               p2plab::nccl_env::get};
const p2plab::nccl_env::EnvV2 ncclEnvPlugin_v2{p2plab::nccl_env::plugin_name, p2plab::nccl_env::init_v2, p2plab::nccl_env::finalize,
                                               p2plab::nccl_env::get};
}
