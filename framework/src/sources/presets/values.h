// SPDX-License-Identifier: Apache-2.0
// Reads a preset's parameters: every value is checked, all mistakes are kept and reported together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "p2plab/base/registry.h"
#include "p2plab/machine/topology.h"
#include "sources/tables/link_rates.h"

namespace p2plab::presets {

/// The values of one call. Each reader returns a harmless value after a mistake; ask `status` before using any of them.
class Values {
 public:
  explicit Values(const Parameters& parameters) : parameters_(parameters) {}

  /// A whole number from `least` to `most`.
  int integer(const std::string& name, int least, int most);
  /// A data rate above zero with its unit; a bare number means GB/s.
  Bandwidth bandwidth(const std::string& name);
  /// The same, where the word "auto" stands for `automatic`.
  Bandwidth bandwidth_or(const std::string& name, Bandwidth automatic);
  /// A data rate, or the name of a network (link_rates.h), as in ndr or roce400.
  Bandwidth network(const std::string& name);
  /// A number from `least` to `most`.
  double number(const std::string& name, double least, double most);
  /// The same, where the word "none" stands for no limit.
  std::optional<Bandwidth> limit(const std::string& name);
  /// A time from 0 to 1 s with its unit.
  Seconds latency(const std::string& name);
  /// One of `choices`.
  std::string word(const std::string& name, const std::vector<std::string>& choices);
  /// "on" or "off".
  bool on(const std::string& name) { return word(name, {"on", "off"}) == "on"; }
  /// One to three extents, as in "4x4x2", each at least `least`; their product at most `most`.
  std::vector<int> extents(const std::string& name, int least, int most);
  /// Which of `count` GPUs are there: "5" is the first five, "0,3,5" or "0-3,6" is a list; "all" is all of them. Sorted, none twice.
  std::vector<int> selection(const std::string& name, int count);

  /// Reports a mistake of a kind that no reader finds.
  void fail(const std::string& name, const std::string& problem);
  /// All mistakes so far.
  Status status() const;

 private:
  std::optional<std::vector<int>> read_list(const std::string& text, int count) const;
  const Parameters& parameters_;
  std::optional<Error> error_;
};

/// The most GPUs that a preset makes.
inline constexpr int most_gpus = 4096;

/// The parameters `bandwidth` and `latency` of a generic machine whose links are all alike.
std::vector<ParameterInfo> uniform_parameters(const std::string& bandwidth);

/// Adds `count` GPUs called gpu0, gpu1, ...
std::vector<NodeId> add_gpus(Topology::Builder& builder, int count);

}  // namespace p2plab::presets
