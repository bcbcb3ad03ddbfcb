// SPDX-License-Identifier: Apache-2.0
// An InfiniBand fabric as ibnetdiscover prints it (infiniband-diags), between reading it and building the machine.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// A cable as one of its ends shows it.
struct IbPort {
  int number = 0;
  std::size_t peer = 0;  // index into IbFabric::nodes
  int peer_port = 0;
  Bandwidth rate;  // of its width and speed, net of line coding, in one direction
};

struct IbNode {
  enum class Kind { crossbar, adapter, router };
  Kind kind = Kind::crossbar;
  std::string id;           // "S-005442ba00003080"
  std::string description;  // "node01 mlx5_0"
  std::vector<IbPort> ports = {};
};

struct IbFabric {
  std::vector<IbNode> nodes;  // in the order of the file
};

/// Does the text look like ibnetdiscover's?
bool is_ibnetdiscover(std::string_view text);

/// Errors: lines that are none of ibnetdiscover's, a peer that the file does not list, a width or speed that is not known; each with its place.
Result<IbFabric> read_ibnetdiscover(std::string_view text, const std::string& filename);

}  // namespace p2plab
