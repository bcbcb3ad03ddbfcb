// SPDX-License-Identifier: Apache-2.0
// The key `question` of a config: a kind by name, or a map with what it needs, or a list of these.
#pragma once

#include <string>
#include <vector>

#include "config/topology_source.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/experiment/question.h"

namespace p2plab {

/// What a question may speak of.
struct Askable {
  const Machine* machine = nullptr;  // null where it could not be read
  const std::vector<AlgorithmChoice>* algorithms = nullptr;
  std::string folder = {};  // of the config
};

/// `question:` of the config; none is {fastest}. Mistakes are noted in the file.
std::vector<RunQuestion> read_questions(const ConfigValue& value, const Askable& about);

}  // namespace p2plab
