// SPDX-License-Identifier: Apache-2.0
// Where a rank's representative has what the base of a folded schedule has at the rank.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lowering/lowering.h"
#include "p2plab/program/packet_program.h"
#include "program/packet_places.h"

namespace p2plab {

class BasePlaces {
 public:
  struct Place {
    std::int64_t offset = 0;
    std::int64_t bytes = 0;  // that instructions touch there
  };

  /// Of all places that instructions of `base`, which `lowering` made of the schedule's base, read or write.
  BasePlaces(const Schedule& schedule, const Lowering& lowering, const Program& base);

  /// Of a place in the memory of `rank` in image 0: where it is at the representative, in the image that carries the rank there.
  std::optional<Place> there(Rank rank, Buffer buffer, std::int64_t offset) const { return find(there_, {rank.value, buffer, offset}); }
  /// And back.
  std::optional<Place> back(Rank rank, Buffer buffer, std::int64_t offset) const { return find(back_, {rank.value, buffer, offset}); }

 private:
  struct Places {
    PlaceNumbers numbers{0};
    std::vector<Place> places = {};  // by number
  };
  static std::optional<Place> find(const Places& places, const PlaceNumbers::Key& key) {
    const auto number = places.numbers.find(key);
    return number ? std::optional{places.places[*number]} : std::nullopt;
  }
  Places there_;
  Places back_;
};

}  // namespace p2plab
