// SPDX-License-Identifier: Apache-2.0
// How many GPUs a language model's tensor-parallel group should have on a machine.
#pragma once

#include <string>

#include "p2plab/base/result.h"
#include "p2plab/machine/topology.h"

namespace p2plab::cli {

struct ModelQuestion {
  std::string model;     // a name such as llama-70b, or a config.json as Hugging Face writes it
  int batch = 1;         // sequences decoded together
  int context = 4096;    // tokens that each holds
  int bits = 16;         // of a weight
  double memory_gb = 0;  // of a GPU; 0: that of `gpu`
  std::string gpu;       // the GPU's name, or the machine's where that tells it
  std::string profile;   // calibration of the simulator; empty: that of the GPUs
  bool json = false;
};

/// The report: for each size of the group what a GPU must hold, what its layers send for a token and how long that takes, and which size is
/// recommended and why. Errors: an unknown model, a file that lacks a figure, a GPU whose memory is not known.
Result<std::string> recommend_groups(const Topology& topology, const ModelQuestion& question);

}  // namespace p2plab::cli
