// SPDX-License-Identifier: Apache-2.0
// Machines by name: generators of topologies with parameters.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "p2plab/base/registry.h"
#include "p2plab/machine/machine_answers.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

/// A machine, or a family of machines, that can be named.
struct Preset {
  std::string name;
  std::string summary;  // one line for `p2plab list`
  std::vector<ParameterInfo> parameters;
  /// Makes the machine from a complete set of parameters (every name of `parameters` has a value).
  std::function<Result<Topology>(const Parameters&)> make;
};

/// All built-in presets, in the order of `p2plab list presets`.
std::vector<Preset> builtin_presets();

/// The machine called `name`; parameters not given take their default. Errors: an unknown name of a preset, a parameter or a value (with the
/// nearest known one), a value out of range; all bad values are reported at once.
Result<Topology> make_preset(const std::string& name, const Parameters& parameters);

/// A preset written in one line: a name, a colon and parameters, as in `hgx-h200:gpus=4,nodes=2`. A list is written as it is: `gpus=0,3,5`.
struct PresetSpec {
  std::string name;
  Parameters parameters;
};

/// Takes a preset's line apart; errors: an empty name, a parameter without a value or given twice.
Result<PresetSpec> parse_preset_spec(const std::string& text);

/// What a command line calls a topology: a preset's line, or a file: .xml is NCCL's topology, .txt the text of `nvidia-smi topo -m`,
/// `rocm-smi --showtopo` or `amd-smi topology`, anything else our YAML. `answers` are to what such a file leaves open; of our YAML they answer what
/// its `sources` ask, and a preset has parameters instead. A text with a slash, with one of these endings, or that names an existing file, is a file.
/// Errors: those of the file or the preset. What an importer found open is added to `warnings`, if given.
Result<Topology> resolve_topology(const std::string& text, std::vector<std::string>* warnings = nullptr, const MachineAnswers& answers = {});

/// The machine with what its `sources` ask answered: links whose rate was assumed get the one that is given. Errors: an answer that nothing asks for.
Result<Topology> answered(const Topology& topology, const MachineAnswers& answers);

}  // namespace p2plab
