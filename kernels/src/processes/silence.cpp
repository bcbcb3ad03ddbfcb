// SPDX-License-Identifier: Apache-2.0
#include "processes/silence.h"

#include <cstdlib>

#include <fmt/format.h>

#include "p2plab/detail/settings.h"

namespace p2plab::processes {

namespace {

constexpr Seconds usual_silence{10};
constexpr Seconds least_silence{1};
constexpr Seconds most_silence{86400};

Error refused_silence(const std::string& what) {
  return Error{ErrorCode::invalid_input,
               fmt::format("{}: a process may be silent for {:g} to {:g} s", what, least_silence.count(), most_silence.count()),
               std::nullopt,
               {"a number of seconds is needed, as in P2PLAB_SILENCE=30"}};
}

}  // namespace

Result<Seconds> silence_limit(Seconds given) {
  const auto good = [](Seconds limit) { return limit >= least_silence && limit <= most_silence; };
  if (given != Seconds{0}) return good(given) ? Result<Seconds>{given} : refused_silence(fmt::format("{:g} s", given.count()));
  const char* const text = setting("P2PLAB_SILENCE");
  if (text == nullptr) return usual_silence;
  char* end = nullptr;
  const Seconds limit{std::strtod(text, &end)};
  return end != text && *end == '\0' && good(limit) ? Result<Seconds>{limit} : refused_silence(fmt::format("P2PLAB_SILENCE='{}'", text));
}

}  // namespace p2plab::processes
