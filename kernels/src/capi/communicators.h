// SPDX-License-Identifier: Apache-2.0
// One rank's beginning, whatever asked for it.
#pragma once

#include "capi/answer.h"
#include "p2plab/run/rendezvous.h"

namespace p2plab::capi {

struct Beginning {
  p2plab_comm** comm = nullptr;
  int ranks = 1;
  Invitation invitation;
  int rank = 0;
  int device = 0;
  const p2plab_config* config = nullptr;
  FileDescriptor listener = {};  // where the ranks meet, opened before they knew that it is there
  bool tuned = true;             // by tables, if there are any
};
p2plab_result init_rank(Beginning beginning);

}  // namespace p2plab::capi
