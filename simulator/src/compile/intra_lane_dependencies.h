// SPDX-License-Identifier: Apache-2.0
// Within a lane the list's order carries dependencies; only reading what the lane itself wrote takes waiting for the write to arrive.
#pragma once

#include <unordered_map>
#include <vector>

#include "compile/compiled.h"

namespace p2plab {

class IntraLaneDependencies {
 public:
  explicit IntraLaneDependencies(const Program& program) : program_(program) {}

  /// Fills `Work::own_dependency` of a lane's works.
  void find(const Lane& lane, std::vector<Work>& works);

 private:
  // Operands overlap exactly if they begin at the same byte of the same buffer: chunks lie at fixed places.
  struct Place {
    std::uint64_t buffer = 0;
    std::int64_t offset = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct PlaceHash {
    std::size_t operator()(const Place& place) const {
      return (place.buffer * 0x9E3779B97F4A7C15U) ^ (static_cast<std::uint64_t>(place.offset) >> 4);
    }
  };
  static Place place_of(const Operand& operand);

  const Program& program_;
  std::unordered_map<Place, std::int32_t, PlaceHash> writers_;
};

}  // namespace p2plab
