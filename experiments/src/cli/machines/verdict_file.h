// SPDX-License-Identifier: Apache-2.0
// What engines and scripts read before they use peer access: one file of all that was found, pair by pair.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "p2plab/experiment/doctor.h"

namespace p2plab::cli {

/// `probes` as matrix_json says them, tried on `where` ("cuda", "host"); null: nothing was tried. Only of what GPUs did it is said whether it works.
std::string verdict_json(const MachineFacts& facts, const Diagnosis& diagnosis, const nlohmann::ordered_json& probes, const std::string& where);

}  // namespace p2plab::cli
