#include "p2plab/program.h"

#include <algorithm>
#include <array>

#include "p2plab/named.h"

namespace p2plab {

namespace {
constexpr std::array protocols{Named{"simple", Protocol::simple}, Named{"ll", Protocol::ll}, Named{"ll128", Protocol::ll128},
                               Named{"flagless", Protocol::flagless}, Named{"copy", Protocol::copy}};
}  // namespace

std::string_view to_string(Protocol protocol) { return to_name<Protocol>(protocol, protocols); }
Result<Protocol> protocol(std::string_view name) { return from_name<Protocol>("protocol", name, protocols); }

int Program::blocks() const {
  std::vector<int> lanes_of(memory.size());
  for (const auto& lane : lanes) ++lanes_of[lane.rank.index()];
  return lanes_of.empty() ? 0 : *std::ranges::max_element(lanes_of) * tuning.parts;
}

}  // namespace p2plab
