// SPDX-License-Identifier: Apache-2.0
// By which of its addresses other machines reach this one.
#pragma once

#include <string>
#include <vector>

#include "p2plab/base/result.h"

namespace p2plab::detect {

/// An address of an interface that is up, as number.
struct InterfaceAddress {
  std::string interface;
  std::string address;
  bool loopback = false;
  bool six = false;  // IPv6
};
/// In the system's order; of IPv6 those that hold beyond one link.
std::vector<InterfaceAddress> interface_addresses();

/// Of these the one that `wanted` names: an interface, or an address. If it is empty: the first that is neither loopback nor of a bridge that
/// containers or virtual machines of this machine hang on (docker, br-, virbr, lxc, cni), IPv4 before IPv6; else loopback. Errors: invalid_input,
/// naming what there is.
Result<std::string> choose_address(const std::vector<InterfaceAddress>& all, const std::string& wanted);
/// What P2PLAB_INTERFACE says, by these rules.
Result<std::string> address_here();

}  // namespace p2plab::detect
