// SPDX-License-Identifier: Apache-2.0
// Reads any text as a topology.
#include "round_trip.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = p2plab::test::text_of(data, size);
  const auto topology = p2plab::read_topology(text, "fuzz.yaml");
  if (topology) p2plab::test::expect_round_trip(*topology);
  p2plab::expects(topology || !describe(topology.error()).empty());
  return 0;
}
