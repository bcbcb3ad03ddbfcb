// SPDX-License-Identifier: Apache-2.0
// Where records lie.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "monitor/recorder.h"
#include "p2plab/detail/settings.h"
#include "p2plab/run/monitor.h"

namespace p2plab {

Result<std::vector<std::string>> record_files(const std::string& folder) {
  std::error_code code;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    if (at->path().filename().string().starts_with("p2plab-monitor-")) files.push_back(at->path().string());
  }
  if (code) return Error{ErrorCode::io, fmt::format("cannot read the folder {}: {}", folder, code.message())};
  std::ranges::sort(files);
  return files;
}

std::string usual_record_folder() {
  const char* folder = monitor::folder_by(setting);
  return folder != nullptr ? folder : "/dev/shm";
}

}  // namespace p2plab
