// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <pugixml.hpp>

namespace p2plab {

inline void set(pugi::xml_node node, const char* name, const auto& value) { node.append_attribute(name).set_value(fmt::format("{}", value).c_str()); }

}  // namespace p2plab
