// SPDX-License-Identifier: Apache-2.0
#include "check/pieces.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::checking {

std::optional<Pieces::Fault> Pieces::add(const Pieces& others, Sums& sums) {
  if (pieces_.size() == 1 && others.pieces_.size() == 1 && pieces_[0].content.origin == others.pieces_[0].content.origin) {  // nearly always
    if (const auto sum = sums.added(pieces_[0].content.sum, others.pieces_[0].content.sum)) {
      pieces_[0].content.sum = *sum;
      return std::nullopt;
    }
  }
  before_.swap(pieces_);
  pieces_.clear();
  std::int64_t at = 0;
  std::int64_t left_used = 0;
  std::int64_t right_used = 0;
  for (std::size_t a = 0, b = 0; a < before_.size() && b < others.pieces_.size();) {
    const auto& left = before_[a];
    const auto& right = others.pieces_[b];
    const auto bytes = std::min(left.bytes - left_used, right.bytes - right_used);
    const auto origin = left.content.origin + left_used;
    if (origin != right.content.origin + right_used) {
      return Fault{
          at, at + bytes,
          fmt::format("elements from byte {} of the payload on, to a sum of those from byte {} on", right.content.origin + right_used, origin)};
    }
    const auto sum = sums.added(left.content.sum, right.content.sum);
    if (!sum) return Fault{at, at + bytes, fmt::format("{}, to {}", sums.describe(right.content.sum), sums.describe(left.content.sum))};
    append({bytes, {*sum, origin}});
    at += bytes;
    left_used += bytes;
    right_used += bytes;
    if (left_used == left.bytes) ++a, left_used = 0;
    if (right_used == right.bytes) ++b, right_used = 0;
  }
  return std::nullopt;
}

}  // namespace p2plab::checking
