// SPDX-License-Identifier: Apache-2.0
// Where in the text of a JSON document a value stands, for messages.
#pragma once

#include <cstddef>
#include <string_view>

namespace p2plab {

/// The byte of `text`, a JSON document, at which the value begins that `pointer` ("/steps/3/1") names; what it stands in, if it is not there.
std::size_t json_place(std::string_view text, std::string_view pointer);

}  // namespace p2plab
