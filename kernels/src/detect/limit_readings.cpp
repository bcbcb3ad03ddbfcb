// SPDX-License-Identifier: Apache-2.0
// What the system lets a process have: device files, shared and locked memory, processors; and what the system itself runs in.
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "detect/readings.h"

namespace p2plab::detect {

namespace {

namespace fs = std::filesystem;

const std::string machine = "machine";

void add(MachineFacts& facts, const std::string& subject, std::string_view what, std::string value, std::string source) {
  facts.readings.push_back({.subject = subject, .what = std::string{what}, .value = std::move(value), .source = std::move(source)});
}

void add_missing(MachineFacts& facts, const std::string& subject, std::string_view what, std::string source, std::string why) {
  facts.readings.push_back({.subject = subject, .what = std::string{what}, .source = std::move(source), .missing = std::move(why)});
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Device files that CUDA opens; a container shows only those that it was given.
void add_device_files(MachineFacts& facts, const fs::path& root) {
  std::vector<std::string> names{"nvidiactl", "nvidia-uvm"};
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(root / "dev", fault)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("nvidia") && is_number(name.substr(6))) names.push_back(name);
  }
  std::ranges::sort(names);
  for (const auto& name : names) {
    const auto path = root / "dev" / name;
    const bool able = ::access(path.c_str(), R_OK | W_OK) == 0;
    add(facts, "/dev/" + name, reading::usable, able ? "1" : "0", able ? "access" : std::string{"access: "} + std::strerror(errno));
  }
}

void add_shared_memory(MachineFacts& facts, const fs::path& root) {
  const auto folder = root / "dev/shm";
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) {
    add_missing(facts, machine, reading::shared_memory_total, folder.string(), std::strerror(errno));
    return;
  }
  const auto unit = static_cast<std::uint64_t>(info.f_frsize);
  add(facts, machine, reading::shared_memory_total, std::to_string(unit * info.f_blocks), "statvfs " + folder.string());
  add(facts, machine, reading::shared_memory_free, std::to_string(unit * info.f_bavail), "statvfs " + folder.string());
}

void add_locked_memory(MachineFacts& facts) {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return add_missing(facts, machine, reading::locked_memory, "getrlimit", std::strerror(errno));
  add(facts, machine, reading::locked_memory, limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur),
      "getrlimit RLIMIT_MEMLOCK");
}

std::string content(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The value after "name:" of a file of such lines.
void add_line_after(MachineFacts& facts, std::string_view what, const fs::path& file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(name)) continue;
    const auto begin = line.find_first_not_of(" \t", name.size());
    return add(facts, machine, what, begin == std::string::npos ? "" : line.substr(begin), file.string());
  }
  add_missing(facts, machine, what, file.string(), "the file cannot be read");
}

void add_surroundings(MachineFacts& facts, const fs::path& root) {
  const auto processors = content(root / "proc/cpuinfo");
  if (processors.empty())
    add_missing(facts, machine, reading::virtual_machine, (root / "proc/cpuinfo").string(), "the file cannot be read");
  else
    add(facts, machine, reading::virtual_machine, processors.find(" hypervisor") != std::string::npos ? "1" : "0", "/proc/cpuinfo: flags");
  std::error_code fault;
  const auto groups = content(root / "proc/1/cgroup");
  std::string container;
  if (fs::exists(root / "run/.containerenv", fault)) container = "podman";
  if (fs::exists(root / ".dockerenv", fault) || groups.find("docker") != std::string::npos) container = "docker";
  if (groups.find("kubepods") != std::string::npos || fs::exists(root / "var/run/secrets/kubernetes.io", fault)) container = "kubernetes";
  if (groups.find("/lxc/") != std::string::npos) container = "lxc";
  add(facts, machine, reading::container, container, "/.dockerenv, /run/.containerenv, /proc/1/cgroup");
  std::stringstream words(content(root / "proc/cmdline"));
  std::string kept;
  for (std::string word; words >> word;) {
    if (word.find("iommu") != std::string::npos || word.starts_with("pci")) kept += (kept.empty() ? "" : " ") + word;
  }
  add(facts, machine, reading::kernel_arguments, kept, "/proc/cmdline");
}

void add_driver(MachineFacts& facts, const fs::path& root) {
  std::error_code fault;
  const auto version = content(root / "sys/module/nvidia/version");
  const auto loaded = fs::exists(root / "sys/module/nvidia", fault);
  add(facts, machine, reading::driver_module, loaded ? version.substr(0, version.find('\n')) : "none", "/sys/module/nvidia/version");
  add(facts, machine, reading::nouveau, fs::exists(root / "sys/module/nouveau", fault) ? "1" : "0", "/sys/module/nouveau");
}

void add_numa(MachineFacts& facts, const fs::path& root) {
  std::error_code fault;
  std::vector<std::string> nodes;
  const auto folder = root / "sys/devices/system/node";
  for (const auto& entry : fs::directory_iterator(folder, fault)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("node") && is_number(name.substr(4))) nodes.push_back(name);
  }
  std::ranges::sort(nodes, {}, [](const std::string& name) { return std::pair{name.size(), name}; });
  for (const auto& node : nodes) {
    for (const auto& [what, file] : {std::pair{reading::numa_distances, "distance"}, {reading::numa_processors, "cpulist"}}) {
      const auto path = folder / node / file;
      const auto text = content(path);
      if (text.empty())
        add_missing(facts, node, what, path.string(), "the file cannot be read");
      else
        add(facts, node, what, text.substr(0, text.find('\n')), path.string());
    }
  }
}

}  // namespace

void add_limit_readings(MachineFacts& facts, const std::string& root) {
  const fs::path top(root);
  add_driver(facts, top);
  add_device_files(facts, top);
  add_shared_memory(facts, top);
  add_locked_memory(facts);
  add_line_after(facts, reading::processors_allowed, top / "proc/self/status", "Cpus_allowed_list:");
  add_surroundings(facts, top);
  add_numa(facts, top);
}

void add_environment_readings(MachineFacts& facts, const ReadingSources& sources) {
  for (const auto& name : reading::variables()) {
    const char* value = sources.variable(name.c_str());
    if (value == nullptr) continue;
    std::error_code fault;
    const bool lacks = name.ends_with("_FILE") && !fs::exists(value, fault);
    add(facts, name, reading::environment, value, lacks ? "environment; no such file" : "environment");
  }
}

}  // namespace p2plab::detect
