// SPDX-License-Identifier: Apache-2.0
// The keys of one cell of a matrix: those that its values of axes say, else those of the config.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/detail/config_value.h"
#include "p2plab/experiment/experiment.h"

namespace p2plab {

class CellKeys {
 public:
  explicit CellKeys(ConfigValue root, std::vector<ConfigValue> values = {}) : root_(std::move(root)), values_(std::move(values)) {}
  ConfigValue operator[](std::string_view key) const {
    for (const auto& value : values_) {
      if (value[key].present()) return value[key];
    }
    return root_[key];
  }

 private:
  ConfigValue root_;
  std::vector<ConfigValue> values_;
};

/// The keys that a config has to have, and those that an axis may set besides them.
inline const std::vector<std::string> required_keys{"topology", "collectives", "algorithms", "sizes"};
inline const std::vector<std::string> optional_keys{"mask",  "dtype",   "op",   "root",     "executors", "profile",
                                                    "forms", "measure", "nccl", "question", "seed"};

/// The experiment that the keys say; none where mistakes, which are noted in the file, leave no machine. `text` is the whole config's.
std::optional<Experiment> read_cell(const CellKeys& keys, std::string_view text, const std::string& path);

}  // namespace p2plab
