// SPDX-License-Identifier: Apache-2.0
// Reads any text as every quantity; what is read prints and reads back as the same value.
#include "p2plab/base/quantity.h"
#include "target.h"

namespace p2plab {
namespace {

template <class T>
bool holds(const Result<T>& value, Result<T> (*parse)(std::string_view)) {
  if (!value) return !describe(value.error()).empty();
  const auto again = parse(to_string(*value));
  return again && *again == *value;
}

}  // namespace
}  // namespace p2plab

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace p2plab;
  const auto text = p2plab::test::text_of(data, size);
  expects(holds(parse_bytes(text), parse_bytes));
  expects(holds(parse_bandwidth(text), parse_bandwidth));
  expects(holds(parse_time(text), parse_time));
  return 0;
}
