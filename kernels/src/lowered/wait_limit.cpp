// SPDX-License-Identifier: Apache-2.0
#include "lowered/wait_limit.h"

#include <cstdlib>

#include <fmt/format.h>

#include "p2plab/detail/settings.h"

namespace p2plab {

namespace {

constexpr Seconds usual{2};
constexpr Seconds least{0.1};
constexpr Seconds most{24.0 * 60 * 60};

Error refused(const std::string& what) {
  return Error{ErrorCode::invalid_input,
               fmt::format("{}: ranks wait for each other for {:g} to {:g} s", what, least.count(), most.count()),
               std::nullopt,
               {"a number of seconds is needed, as in P2PLAB_DEADLINE=30"}};
}

}  // namespace

Result<Seconds> wait_limit(Seconds given) {
  const auto good = [](Seconds limit) { return limit >= least && limit <= most; };
  if (given != Seconds{0}) return good(given) ? Result<Seconds>{given} : refused(fmt::format("a deadline of {:g} s", given.count()));
  const char* const text = setting("P2PLAB_DEADLINE");
  if (text == nullptr) return usual;
  char* end = nullptr;
  const Seconds limit{std::strtod(text, &end)};
  return end != text && *end == '\0' && good(limit) ? Result<Seconds>{limit} : refused(fmt::format("P2PLAB_DEADLINE='{}'", text));
}

std::string wait_text(Seconds limit) {
  return limit < Seconds{1} ? fmt::format("{:g} ms", limit.count() * 1e3) : fmt::format("{:g} s", limit.count());
}

}  // namespace p2plab
