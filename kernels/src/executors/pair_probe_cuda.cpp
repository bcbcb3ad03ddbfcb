// SPDX-License-Identifier: Apache-2.0
#include "executors/backend.h"
#include "p2plab/run/pair_probe.h"

namespace p2plab {

Result<std::unique_ptr<PairProber>> cuda_pair_prober() { return backend::cuda_pair_prober(); }

}  // namespace p2plab
