// SPDX-License-Identifier: Apache-2.0
// What NVML says of this machine's GPUs while something is timed on them: clocks, what holds them back, who else uses them.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "p2plab/run/readings.h"

namespace p2plab {

/// One GPU at one moment. What could not be read is missing.
struct GpuState {
  std::string name;                     // its bus id
  std::optional<int> clock = {};        // MHz
  std::optional<int> temperature = {};  // degrees Celsius
  std::optional<int> held_back = {};    // nvmlClocksEventReasons
  std::vector<std::string> processes = {};
};

using GpuStates = std::vector<GpuState>;

/// Asks NVML from its making to its end. Without NVML nothing is known, and nothing is said.
class GpuWatch {
 public:
  explicit GpuWatch(const std::function<Result<NvmlQuestions>()>& nvml = NvmlQuestions::load);
  ~GpuWatch();
  GpuWatch(const GpuWatch&) = delete;
  GpuWatch& operator=(const GpuWatch&) = delete;
  GpuWatch(GpuWatch&&) = delete;
  GpuWatch& operator=(GpuWatch&&) = delete;

  GpuStates look() const;
  /// The first call takes what runs since the watch was made for this program itself: in a container it does not know its own number. Later ones do
  /// nothing.
  void settle();
  /// What may have changed times between the first look and the last: "GPU 0000:19:00.0 was held back by its power limit".
  std::vector<std::string> disturbances(const std::vector<GpuStates>& looks) const;
  /// "0000:19:00.0: 1980 MHz, 45 C, held back by its power limit, used by 4711 python".
  std::vector<std::string> texts(const GpuStates& states) const;

 private:
  std::vector<std::string> others(const GpuState& state) const;

  std::optional<NvmlQuestions> nvml_;
  std::set<std::string> at_first_;  // processes
  std::optional<std::set<std::string>> own_;
};

}  // namespace p2plab
