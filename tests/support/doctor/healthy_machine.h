// SPDX-License-Identifier: Apache-2.0
// Healthy machines with all their readings, varied by a seed; and hands to break them with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/machine_facts.h"

namespace p2plab::test {

/// "h200_vm", "hgx_h100", "hgx_a100", "l40s_sockets", "pro6000_switches", "rtx4090", "rtx3090_bridge", "dgx1_v100", "a6000_slots", "one_gpu".
std::vector<std::string> healthy_kinds();

/// A machine of that kind as p2plab doctor records it. The seed moves what differs between healthy machines: versions, idle clocks and links,
/// containers, limits, settings without harm, what may be read.
MachineFacts healthy_machine(const std::string& kind, std::uint64_t seed);

/// Sets a reading, adding it where there is none.
void set_reading(MachineFacts& facts, const std::string& subject, std::string_view what, const std::string& value);
/// The reading as if it could not be taken.
void lose_reading(MachineFacts& facts, const std::string& subject, std::string_view what, const std::string& why);

}  // namespace p2plab::test
