// SPDX-License-Identifier: Apache-2.0
// What PCIe switches make of many transfers at once, by maker and kind, as measured.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/machine/topology.h"

namespace p2plab {

struct KnownSwitch {
  std::string_view names;  // what people say, with commas
  std::string_view title;
  std::string_view vendor;  // PCI vendor and device, as in "0x1000"; no device: all of the vendor's
  std::string_view device;
  SwitchModel model;
  std::string_view source;
};

/// By a name such as "pex890xx" or "switchtec". Errors: unknown_name with the nearest.
Result<const KnownSwitch*> find_switch(std::string_view name);
/// The switch that a bridge is by its PCI ids, null if it is none of these.
const KnownSwitch* switch_of_pci(std::string_view vendor, std::string_view device);
/// The first name of each.
std::vector<std::string> switch_names();

}  // namespace p2plab
