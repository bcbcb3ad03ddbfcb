// SPDX-License-Identifier: Apache-2.0
// Where a settings file is looked for. Of libraries that read none themselves, too: needs nothing but libc.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

namespace p2plab {

/// The first that is there counts: P2PLAB_SETTINGS alone if it is set (empty: none), else $XDG_CONFIG_HOME/p2plab/settings.yaml (~/.config without
/// it), /etc/p2plab/settings.yaml.
inline std::vector<std::string> settings_places() {
  const auto variable = [](const char* name) {
    const char* const content = std::getenv(name);
    return std::string{content == nullptr ? "" : content};
  };
  if (std::getenv("P2PLAB_SETTINGS") != nullptr) {
    auto named = variable("P2PLAB_SETTINGS");
    return named.empty() ? std::vector<std::string>{} : std::vector<std::string>{std::move(named)};
  }
  std::vector<std::string> places;
  const auto home = variable("HOME");
  auto own = variable("XDG_CONFIG_HOME");
  if (own.empty() && !home.empty()) own = home + "/.config";
  if (!own.empty()) places.push_back(own + "/p2plab/settings.yaml");
  places.emplace_back("/etc/p2plab/settings.yaml");
  return places;
}

}  // namespace p2plab
