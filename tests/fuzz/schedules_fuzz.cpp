// SPDX-License-Identifier: Apache-2.0
// Importers of schedules: whatever they read is a schedule, or is refused with a sentence.
#include "p2plab/program/importer.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = p2plab::test::text_of(data, size);
  const auto msccl = p2plab::import_msccl(text, "fuzz.xml");
  p2plab::expects(msccl || !describe(msccl.error()).empty());
  const auto mscclpp = p2plab::import_mscclpp(text, "fuzz.json");
  p2plab::expects(mscclpp || !describe(mscclpp.error()).empty());
  const auto graphs = p2plab::import_nccl_graphs(text, "fuzz.xml");
  p2plab::expects(graphs || !describe(graphs.error()).empty());
  return 0;
}
