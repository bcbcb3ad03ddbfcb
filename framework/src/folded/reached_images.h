// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "p2plab/program/peer_access.h"
#include "p2plab/schedule/rank_images.h"

namespace p2plab {

/// The first image in which `from` does not reach the memory of `to`, two ranks of image 0; none if there is none.
inline std::optional<int> image_out_of_reach(const PeerAccess& peer_access, const RankImages& images, Rank from, Rank to) {
  if (peer_access.all_connected()) return std::nullopt;
  for (int image = 0; image < images.images(); ++image) {
    if (!peer_access.connected(images.moved(image, from), images.moved(image, to))) return image;
  }
  return std::nullopt;
}

}  // namespace p2plab
