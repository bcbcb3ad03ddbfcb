// SPDX-License-Identifier: Apache-2.0
// Reads any text as a config and asks every value for everything.
#include "p2plab/detail/config_value.h"
#include "p2plab/machine/topology.h"
#include "target.h"

namespace p2plab {
namespace {

// Aliases make a tree of many more values than the text has; the budget keeps that short.
void read_all(const ConfigValue& value, int& budget) {
  if (--budget < 0) return;
  value.string();
  value.boolean();
  value.integer({.least = 0, .most = 10});
  value.number();
  value.size();
  value.bandwidth();
  value.time();
  value.as(link_kind, LinkKind::other);
  value.expect_keys({.required = {"name"}, .optional = {"nodes", "links"}});
  value["name"]["deeper"].string();
  for (const auto& element : value.list(1, 3)) read_all(element, budget);
  for (const auto& [key, element] : value.entries()) read_all(element, budget);
}

}  // namespace
}  // namespace p2plab

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = p2plab::ConfigFile::parse(p2plab::test::text_of(data, size), "fuzz.yaml");
  if (!file) {
    p2plab::expects(!describe(file.error()).empty());
    return 0;
  }
  int budget = 2000;
  p2plab::read_all(file->root(), budget);
  const auto status = file->status();
  p2plab::expects(status || !describe(status.error()).empty());
  return 0;
}
