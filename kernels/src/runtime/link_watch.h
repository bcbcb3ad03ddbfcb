// SPDX-License-Identifier: Apache-2.0
// Asks NVML again and again whether GPUs and their NVLinks still work: a thread of the process, for all its communicators.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "p2plab/run/detect.h"

namespace p2plab::runtime {

/// What worked when the process first looked and works no more. GPUs by their places ("0000:8a:00.0").
struct Loss {
  std::vector<std::string> gpus = {};                              // that answer no more
  std::vector<std::pair<std::string, std::string>> pairs = {};     // none of whose NVLinks to each other, or to switches, is left; each pair once
  std::vector<std::pair<std::string, std::string>> weakened = {};  // that lost some of theirs; the second is empty: to switches
  bool unanswered = false;                                         // NVML itself says nothing

  bool empty() const { return gpus.empty() && pairs.empty() && weakened.empty() && !unanswered; }
  bool operator==(const Loss&) const = default;
};

class LinkWatch {
 public:
  using Told = std::function<void(const Loss&)>;

  static LinkWatch& of_process();
  /// `timeout`: how long others wait for an NVML that does not answer.
  explicit LinkWatch(std::function<Result<NvmlFunctions>()> load = NvmlFunctions::load, Seconds timeout = Seconds{2})
      : load_(std::move(load)), timeout_(timeout) {}

  /// Has `told` called by the thread, each time that more of these GPUs is lost, until what is returned goes. Null: there is no NVML, or `every` is
  /// 0.
  std::shared_ptr<void> add(const std::vector<std::string>& gpus, Seconds every, Told told);
  /// Looks now; what is lost of these GPUs since the process first looked. A thread asks NVML, and is waited for no longer than `timeout`: NVML may
  /// hang on a GPU that is gone.
  Loss look(const std::vector<std::string>& gpus);

 private:
  struct Links {
    std::vector<std::string> to = {};  // the GPU at the other end, by link; empty: a switch
    std::vector<bool> up = {};
  };
  struct Gpu {
    NvmlFunctions::Device device = nullptr;
    bool there = true;
    Links first = {};
    std::vector<bool> up = {};
  };
  struct Asker {
    std::vector<std::string> gpus;
    Told told;
    Loss known = {};
  };
  using Lock = std::unique_lock<std::mutex>;
  void open(Lock& lock);
  static std::map<std::string, Gpu> gpus_of(const NvmlFunctions& nvml);
  void ask(Gpu& gpu) const;
  void read(Lock& lock, const std::set<std::string>& places);
  Loss lost_of(const std::vector<std::string>& gpus) const;
  void begin();
  void end(Lock lock);
  void work(const std::stop_token& stop);
  std::chrono::duration<double> timeout() const { return std::chrono::duration<double>(timeout_.count()); }

  std::function<Result<NvmlFunctions>()> load_;
  Seconds timeout_;
  std::mutex mutex_;  // held while askers are told, open while NVML is asked
  std::condition_variable_any changed_;
  std::optional<NvmlFunctions> nvml_;
  bool opened_ = false;
  std::map<std::string, Gpu> gpus_;
  std::map<int, Asker> askers_;
  int next_ = 0;
  Seconds every_{0};
  int process_ = 0;             // whose thread it is: a forked child has none
  std::shared_ptr<bool> over_;  // the thread has nothing to do any more
  std::set<std::string> wanted_;
  std::uint64_t asked_ = 0;  // looks, by others
  std::uint64_t seen_ = 0;   // of those
  std::jthread thread_;      // ends before what it uses
};

}  // namespace p2plab::runtime
