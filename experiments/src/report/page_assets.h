// SPDX-License-Identifier: Apache-2.0
// What experiments/assets holds, compiled in: the build writes page_assets.cpp.
#pragma once

#include <string_view>

namespace p2plab::page_assets {

extern const std::string_view style;
extern const std::string_view d3_licence;
extern const std::string_view d3;
extern const std::string_view plot_licence;
extern const std::string_view plot;
extern const std::string_view scripts;  // of this project

}  // namespace p2plab::page_assets
