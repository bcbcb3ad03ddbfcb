// SPDX-License-Identifier: Apache-2.0
// Reads any text as NCCL topology XML.
#include "p2plab/machine/topology_import.h"
#include "round_trip.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = p2plab::test::text_of(data, size);
  const auto imported = p2plab::import_nccl_xml(text, "fuzz.xml");
  if (imported) p2plab::test::expect_round_trip(imported->topology);
  p2plab::expects(imported || !describe(imported.error()).empty());
  return 0;
}
