// SPDX-License-Identifier: Apache-2.0
// The profile of a config: the one that it names, or that of its machine's GPUs.
#pragma once

#include <filesystem>
#include <optional>

#include "config/topology_source.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// Reads what stands under the key `profile`, a name or a path relative to `folder`; without the key it is that of the machine's GPUs. None where no
/// profile is known for those, or after a mistake, which is noted in the file.
std::optional<Profile> read_profile(const ConfigValue& value, const std::filesystem::path& folder, const std::optional<Machine>& machine);

}  // namespace p2plab
