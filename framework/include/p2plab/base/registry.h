// SPDX-License-Identifier: Apache-2.0
// Registries are values: a list of named makers of one interface. A new entry is one file and one word in its folder's CMakeLists.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "p2plab/base/result.h"

namespace p2plab {

/// Values for named parameters, as text.
using Parameters = std::map<std::string, std::string>;

/// A parameter that an entry understands.
struct ParameterInfo {
  std::string name;
  std::string summary;
  std::string fallback;     // the value when none is given
  std::string former = {};  // its name in version 0.1, which is read for one version more
};

/// One implementation of interface `I`.
template <class I>
struct Entry {
  std::string name;
  std::string summary;  // one line for `p2plab list`
  std::vector<ParameterInfo> parameters;
  std::function<std::unique_ptr<I>()> make;
};

/// `given` completed with the entry's defaults, under the names of today; unknown names are errors with the nearest known one.
Result<Parameters> complete_parameters(const std::string& owner, std::span<const ParameterInfo> known, const Parameters& given);

/// A sentence for each former name in `given`: what it is called now.
std::vector<std::string> warnings_of(const std::string& owner, std::span<const ParameterInfo> known, const Parameters& given);

/// A whole number from `parameters`, which must hold `name`; errors name the parameter and its range.
Result<std::int64_t> integer_parameter(const Parameters& parameters, const std::string& name, std::int64_t least, std::int64_t most);

/// One word out of `choices` from `parameters`, which must hold `name`.
Result<std::string> word_parameter(const Parameters& parameters, const std::string& name, std::span<const std::string> choices);

/// An ordered list of entries with distinct names.
template <class I>
class Registry {
 public:
  /// Adds an entry; a second one of the same name is our own bug.
  void add(Entry<I> entry) {
    expects(find(entry.name) == nullptr);
    entries_.push_back(std::move(entry));
  }
  std::span<const Entry<I>> entries() const& { return entries_; }
  std::span<const Entry<I>> entries() && = delete;  // the view would outlive the registry

  /// The entry called `name`, or null.
  const Entry<I>* find(const std::string& name) const& {
    for (const auto& entry : entries_) {
      if (entry.name == name) return &entry;
    }
    return nullptr;
  }
  const Entry<I>* find(const std::string& name) && = delete;

  /// The entry called `name`; unknown names are errors with the nearest known one. `kind` is the word for messages ("algorithm").
  Result<const Entry<I>*> get(const std::string& kind, const std::string& name) const& {
    if (const auto* entry = find(name)) return entry;
    std::vector<std::string> names;
    for (const auto& entry : entries_) names.push_back(entry.name);
    return unknown_name(kind, name, names);
  }
  Result<const Entry<I>*> get(const std::string& kind, const std::string& name) && = delete;

 private:
  std::vector<Entry<I>> entries_;
};

}  // namespace p2plab
