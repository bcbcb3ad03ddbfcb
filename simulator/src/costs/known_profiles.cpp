// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <set>
#include <sstream>

#include "p2plab/detail/settings.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

namespace fs = std::filesystem;

std::vector<std::string> profile_folders() {
  std::vector<std::string> all;
  const char* const said = setting("P2PLAB_PROFILES");
  std::istringstream named(said == nullptr ? "" : said);
  for (std::string folder; std::getline(named, folder, ':');) all.push_back(std::move(folder));
  std::error_code none;
  const auto program = fs::read_symlink("/proc/self/exe", none);
  if (!none) all.push_back((program.parent_path().parent_path() / "share/p2plab/profiles").string());
  all.emplace_back(P2PLAB_INSTALLED_DATA "/profiles");
  all.emplace_back(P2PLAB_SOURCE_PROFILES);
  return all;
}

std::optional<std::string> known_profile(const std::string& name) {
  std::error_code none;
  for (const auto& folder : profile_folders()) {
    const auto file = fs::path(folder) / (name + ".yaml");
    if (fs::is_regular_file(file, none)) return file.string();
  }
  return std::nullopt;
}

std::vector<std::string> known_profiles() {
  std::set<std::string> names{Profile{}.name};
  std::error_code none;
  for (const auto& folder : profile_folders()) {
    for (const auto& file : fs::directory_iterator(folder, none)) {
      if (file.path().extension() == ".yaml") names.insert(file.path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

}  // namespace p2plab
