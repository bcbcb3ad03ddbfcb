// SPDX-License-Identifier: Apache-2.0
// All exporters of this project by name.
#pragma once

#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

/// In the order of `p2plab list exporters`. A new one is a file in framework/src/exporters/ and a word in framework/CMakeLists.txt.
Registry<Exporter> builtin_exporters();

}  // namespace p2plab
