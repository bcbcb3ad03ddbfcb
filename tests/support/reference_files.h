// SPDX-License-Identifier: Apache-2.0
// Files of other machines that lie beside the repository, not in it. Tests that need them skip aloud where they are absent.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace p2plab::test {

/// The reference collection, which may be absent. The environment variable P2PLAB_REFERENCE names it where it does not lie beside the repository.
inline std::filesystem::path reference_collection() {
  const char* given = std::getenv("P2PLAB_REFERENCE");
  return given != nullptr ? given : P2PLAB_SOURCE_DIR "/../shared/reference";
}

/// The files with this extension in a folder of the reference collection, sorted; empty where the collection is absent.
inline std::vector<std::string> reference_files(const std::string& folder, const std::string& extension) {
  const auto path = reference_collection() / folder;
  std::vector<std::string> files;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator{path, absent}) {
    if (entry.path().extension() == extension) files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace p2plab::test
