// SPDX-License-Identifier: Apache-2.0
// What an instruction moves, as it is read: stretches of the payload, each with one sum.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "check/sums.h"

namespace p2plab::checking {

/// Elements of the payload that lie one after another, all with the same sum: `origin` is the place of the first byte in the payload of all blocks.
struct Content {
  SumId sum = nothing;
  std::int64_t origin = 0;
};

struct Piece {
  std::int64_t bytes = 0;
  Content content;
};

/// Pieces one after another.
class Pieces {
 public:
  /// This one alone.
  void begin_with(std::int64_t bytes, SumId sum, std::int64_t origin) {
    if (pieces_.size() != 1) pieces_.resize(1);  // mostly an instruction moves one
    auto& piece = pieces_[0];                    // member by member: a copy of what was just written in parts waits for those writes
    piece.bytes = bytes;
    piece.content.sum = sum;
    piece.content.origin = origin;
  }
  /// Appends; what goes on where the last piece ends becomes part of it.
  void append(const Piece& piece) {
    if (!pieces_.empty()) {
      auto& last = pieces_.back();
      if (last.content.sum == piece.content.sum && last.content.origin + last.bytes == piece.content.origin) {
        last.bytes += piece.bytes;
        return;
      }
    }
    pieces_.push_back(piece);
  }
  const std::vector<Piece>& all() const { return pieces_; }
  std::vector<Piece>& all() { return pieces_; }

  /// Why something cannot be added: its bytes [begin, end).
  struct Fault {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    std::string reason;
  };
  /// Adds pieces of as many bytes, piece by piece: each must hold the same elements, and nobody's contribution that is there already.
  std::optional<Fault> add(const Pieces& others, Sums& sums);

 private:
  std::vector<Piece> pieces_;
  std::vector<Piece> before_;
};

}  // namespace p2plab::checking
