#include "own_dependencies.h"

#include <unordered_map>

namespace p2plab {

namespace {

struct Place {
  std::uint64_t buffer = 0;
  std::int64_t offset = 0;
  friend bool operator==(const Place&, const Place&) = default;
};
struct PlaceHash {
  std::size_t operator()(const Place& place) const { return (place.buffer * 0x9E3779B97F4A7C15U) ^ (static_cast<std::uint64_t>(place.offset) >> 4); }
};

template <class Visit>
void each_operand(const Program& program, const Lane& lane, Visit visit) {
  for (auto index = lane.first; index < lane.first + lane.count; ++index) {
    const auto& i = program.instructions[index];
    for (const auto& operand : program.sources(i)) visit(index, operand, true);
    for (const auto& operand : program.destinations(i)) visit(index, operand, false);
  }
}

std::uint32_t class_of(const Lane& lane, const Operand& operand) {
  return 1U << (static_cast<std::uint32_t>(operand.buffer) + (operand.rank == lane.rank ? 0U : 4U));
}

// Operands overlap exactly if they begin at the same byte of the same buffer: chunks lie at fixed places.
Place place_of(const Operand& operand) {
  return {static_cast<std::uint64_t>(operand.rank.value) << 2 | static_cast<std::uint64_t>(operand.buffer), operand.offset};
}

}  // namespace

void find_own_dependencies(const Program& program, std::vector<Work>& works) {
  std::unordered_map<Place, std::uint32_t, PlaceHash> writers;
  for (const auto& lane : program.lanes) {
    std::uint32_t written = 0;
    std::uint32_t read = 0;
    each_operand(program, lane, [&](std::uint32_t, const Operand& operand, bool reads) { (reads ? read : written) |= class_of(lane, operand); });
    if ((written & read) == 0) continue;
    writers.clear();
    each_operand(program, lane, [&](std::uint32_t index, const Operand& operand, bool reads) {
      if ((class_of(lane, operand) & written & read) == 0) return;
      if (!reads) {
        writers[place_of(operand)] = index;
        return;
      }
      const auto found = writers.find(place_of(operand));
      if (found != writers.end()) works[index].own_dependency = std::max(works[index].own_dependency, static_cast<std::int32_t>(found->second));
    });
  }
}

}  // namespace p2plab
