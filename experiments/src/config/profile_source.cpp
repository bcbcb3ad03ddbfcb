// SPDX-License-Identifier: Apache-2.0
#include "config/profile_source.h"

#include "p2plab/experiment/evaluator.h"

namespace p2plab {

std::optional<Profile> read_profile(const ConfigValue& value, const std::filesystem::path& folder, const std::optional<Machine>& machine) {
  if (!value.present()) {
    auto usual = machine ? usual_profile(machine->topology) : Result<std::optional<Profile>>{std::nullopt};
    if (usual) return *std::move(usual);
    value.add_error(std::move(usual).error());
    return std::nullopt;
  }
  const auto given = value.string();
  if (given.empty()) return std::nullopt;
  auto profile = load_profile((folder / given).string());
  if (profile) return *std::move(profile);
  // The mistakes are in the other file, so they keep their place there.
  auto error = std::move(profile).error();
  if (!error.where) error.where = value.where();
  value.add_error(std::move(error));
  return std::nullopt;
}

}  // namespace p2plab
