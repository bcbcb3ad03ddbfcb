// SPDX-License-Identifier: Apache-2.0
#include "p2plab/report/provenance.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "p2plab/experiment/version.h"

namespace p2plab {

namespace {

// The value of the first line "key : value" of a file of Linux; empty if there is none.
std::string value_in(const std::filesystem::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto first = line.find_first_not_of(" \t", colon + 1);
    return first == std::string::npos ? std::string{} : line.substr(first);
  }
  return {};
}

std::string cpu_name() {
  auto model = value_in("/proc/cpuinfo", "model name");
  if (model.empty()) model = "unknown cpu";
  return fmt::format("{}, {} threads", model, std::thread::hardware_concurrency());
}

// The driver lists its GPUs in files, so no library of it is needed.
std::vector<std::string> gpu_names() {
  std::vector<std::filesystem::path> folders;
  std::error_code fault;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", fault)) folders.push_back(entry.path());
  std::ranges::sort(folders);
  std::vector<std::string> names;
  for (const auto& folder : folders) names.push_back(value_in(folder / "information", "Model"));
  return names;
}

std::string driver_version() {
  std::ifstream in("/sys/module/nvidia/version");
  std::string version;
  std::getline(in, version);
  return version;
}

// A word as a shell reads it back.
std::string for_a_shell(const std::string& word) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"_@%+=:,./-"}.find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, plain)) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return text + "'";
}

// As the system was told it, for a shell.
std::string command_now() {
  std::ifstream in("/proc/self/cmdline");
  std::string command;
  for (std::string word; std::getline(in, word, '\0');) {
    if (command.empty()) word = std::filesystem::path(word).filename().string();
    command += (command.empty() ? "" : " ") + for_a_shell(word);
  }
  return command;
}

// Now, or what SOURCE_DATE_EPOCH says (reproducible-builds.org), so that reports can be equal byte by byte.
std::string date_now() {
  auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  if (const auto* given = std::getenv("SOURCE_DATE_EPOCH"); given != nullptr) {
    const std::string_view text(given);
    std::time_t seconds = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (fault == std::errc{} && end == text.data() + text.size()) now = seconds;
  }
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace

std::string_view version() { return P2PLAB_VERSION; }

Provenance provenance_here() {
  return Provenance{.version = std::string{version()},
                    .command = command_now(),
                    .cpu = cpu_name(),
                    .gpus = gpu_names(),
                    .driver = driver_version(),
                    .date = date_now()};
}

Provenance provenance_of(const Experiment& experiment) {
  auto provenance = provenance_here();
  provenance.config = experiment.path;
  provenance.config_digest = experiment.digest;
  provenance.seed = experiment.seed;
  provenance.topology = experiment.topology.name();
  provenance.profile = experiment.profile.name;
  provenance.forms = to_string(experiment.forms);
  return provenance;
}

}  // namespace p2plab
