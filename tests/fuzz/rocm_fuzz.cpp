// SPDX-License-Identifier: Apache-2.0
// Reads any text as the tables of rocm-smi --showtopo or amd-smi topology.
#include "p2plab/machine/topology_import.h"
#include "round_trip.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = p2plab::test::text_of(data, size);
  const auto imported = p2plab::import_rocm(text, "fuzz.txt");
  if (imported) p2plab::test::expect_round_trip(imported->topology);
  p2plab::expects(imported || !describe(imported.error()).empty());
  return 0;
}
