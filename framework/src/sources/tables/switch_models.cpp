// SPDX-License-Identifier: Apache-2.0
#include "sources/tables/switch_models.h"

#include <algorithm>
#include <array>

#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

// Shares: what four GPUs below one switch moved in all, all to all, over what their ports carry alone.
const std::array known{
    KnownSwitch{
        "pex890xx,pex89144,broadcom", "Broadcom PEX890xx", "0x1000", "0xc030",
        SwitchModel{.exchange = 0.7, .exchange_loads = 0.59, .posted_writes = GBps(2.7)},
        "voipmonitor/rtx6kpro, asus-esc8000a-e13p-broadcom-switches.md: all to all of four by stores 153, by loads 128 of 217 GB/s; two GPUs to "
        "two roots 2.7 GB/s"},
    KnownSwitch{
        "switchtec,pm50100,microchip", "Microchip Switchtec", "0x11f8", "", SwitchModel{.exchange = 0.69, .exchange_loads = 0.57},
        "voipmonitor/rtx6kpro: all to all of four by stores 149 and 164, by loads 121 and 126 of 217 GB/s (wrx90-cpayne-2switch-flat.md, "
        "asrockrack-turin-cpayne-16gpu.md; its 67 by 'reads' are stores one after the other: PyTorch copies on the sender's stream); stores to "
        "several roots fell to 13.5 GB/s with an older BIOS only"},
    KnownSwitch{"plain", "a switch of which nothing is known", "", "", SwitchModel{}, "--machine switch=plain"}};

}  // namespace

std::vector<std::string> switch_names() {
  std::vector<std::string> names;
  for (const auto& one : known) names.emplace_back(one.names.substr(0, one.names.find(',')));
  return names;
}

Result<const KnownSwitch*> find_switch(std::string_view name) {
  for (const auto& one : known) {
    for (std::size_t begin = 0; begin <= one.names.size();) {
      const auto end = std::min(one.names.find(',', begin), one.names.size());
      if (one.names.substr(begin, end - begin) == name) return &one;
      begin = end + 1;
    }
  }
  return unknown_name("PCIe switch", std::string{name}, switch_names());
}

const KnownSwitch* switch_of_pci(std::string_view vendor, std::string_view device) {
  const auto found = std::ranges::find_if(
      known, [&](const KnownSwitch& one) { return !one.vendor.empty() && one.vendor == vendor && (one.device.empty() || one.device == device); });
  return found == known.end() ? nullptr : &*found;
}

}  // namespace p2plab
