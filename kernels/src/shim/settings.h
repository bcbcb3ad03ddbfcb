// SPDX-License-Identifier: Apache-2.0
// What users set for the shim: variables of the environment, else what libp2plab reads in the settings file.
#pragma once

namespace p2plab::shim {

/// Does P2PLAB_DISABLE leave every call to NCCL?
bool switched_off();
/// libp2plab.so.1 from beside this library, loaded when first asked for; null where the environment switches the shim off, or, aloud, where it cannot
/// be loaded.
void* our_library();
/// What a variable says, or null.
const char* setting(const char* variable);

}  // namespace p2plab::shim
