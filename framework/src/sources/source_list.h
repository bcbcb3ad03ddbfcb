// SPDX-License-Identifier: Apache-2.0
// Collects where the numbers of a machine come from: what is alike becomes one entry that names all its parts.
#pragma once

#include <string>
#include <vector>

#include "sources/device_tree.h"

namespace p2plab {

class SourceList {
 public:
  /// `what` of `part`, as in "PCIe" of "gpu3", is the bandwidth of these links.
  void add(const std::string& what, const std::string& part, const Sourced& value, const std::vector<LinkId>& links);
  /// Once for all links of a kind.
  void add_latency(const std::string& what, Seconds latency, Origin origin, const std::string& source);
  void add(SourcedValue value) { values_.push_back({std::move(value), {}}); }
  std::vector<SourcedValue> values() const;

 private:
  struct Entry {
    SourcedValue value;
    std::vector<std::string> parts;
  };
  std::vector<Entry> values_;
};

/// A sentence for each assumed number: what was assumed, why, and how to answer.
std::vector<std::string> sentences_of(const std::vector<SourcedValue>& values);

}  // namespace p2plab
